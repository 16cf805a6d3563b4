// The maps of a prediction, as the server sends them: a safetensors file.

const ARRAYS = { F32: Float32Array, U8: Uint8Array };

/** Score and classes of a prediction, [height, width], and the size of the picture that they stand for. */
export function readMaps(buffer) {
  const headerLength = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, headerLength)));
  const tensor = (name) => {
    const { dtype, data_offsets: [begin, end] } = header[name];
    const Values = ARRAYS[dtype];
    return new Values(buffer, 8 + headerLength + begin, (end - begin) / Values.BYTES_PER_ELEMENT);
  };
  const [height, width] = header.score.shape;
  const picture = header.__metadata__;
  return {
    score: tensor("score"), classes: tensor("classes"), width, height,
    pictureWidth: Number(picture.width), pictureHeight: Number(picture.height),
  };
}
