// What is drawn over the photograph.

const FULL = 255;

/** A colour [r, g, b] and an opacity, 0 to 1, as one number of ImageData's memory (little-endian). */
function packed([r, g, b], opacity) {
  return ((Math.round(opacity * FULL) << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

function picture({ width, height }, colourAt) {
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let index = 0; index < pixels.length; index++) pixels[index] = colourAt(index);
  return image;
}

/** Each pixel in its class's colour. */
export function paintClasses(maps, colours, opacity) {
  const table = colours.map((colour) => packed(colour, opacity));
  return picture(maps, (index) => table[maps.classes[index]]);
}

/** The same with the anomalous pixels in their own colour, which shines through less. */
export function paintOpenSet(maps, mask, colours, anomaly, opacity) {
  const table = colours.map((colour) => packed(colour, opacity));
  const found = packed(anomaly, Math.sqrt(opacity));
  return picture(maps, (index) => (mask[index] ? found : table[maps.classes[index]]));
}

/** Scores between cold and hot in the colours of a table of 256. */
export function paintHeat(maps, { cold, hot }, colours, opacity) {
  const table = colours.map((colour) => packed(colour, opacity));
  const last = table.length - 1, scale = last / (hot - cold);
  return picture(maps, (index) => table[Math.max(0, Math.min(last, Math.round((maps.score[index] - cold) * scale)))]);
}

/** Boxes around regions, readable on any ground. */
export function drawBoxes(canvas, regions, lit) {
  const context = canvas.getContext("2d"), unit = Math.max(1, canvas.width / 700);
  context.clearRect(0, 0, canvas.width, canvas.height);
  const strokes = [["rgb(0 0 0 / .8)", 3], ["white", 1.4]];
  for (const [colour, width] of strokes) {
    for (const region of regions) {
      context.strokeStyle = colour;
      context.lineWidth = width * unit * (region === lit ? 2 : 1);
      const gap = 2 * unit;
      context.strokeRect(region.left - gap, region.top - gap, region.right - region.left + 2 * gap, region.bottom - region.top + 2 * gap);
    }
  }
}
