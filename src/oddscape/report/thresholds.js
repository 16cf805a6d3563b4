// What a threshold does: rates of all pictures and of one, maps unpacked, counted and painted.
// A pixel's level says how many thresholds its score exceeds; at threshold i, pixels of a level above i are called.
const percent = (share) => (Number.isFinite(share) ? (100 * share).toFixed(2) : "–");
// A threshold just below a score of 0 is as good as 0.
const shortNumber = (value) =>
  Number.isFinite(value) ? String(Math.abs(value) < 1e-30 ? 0 : +value.toPrecision(4)).replace("-", "−") : "–";

// Rates of so many true and false positives among P anomalous and N known pixels; NaN where undefined.
function rates(truePositives, falsePositives, P, N) {
  const called = truePositives + falsePositives;
  return {
    tpr: P ? truePositives / P : NaN,
    fpr: N ? falsePositives / N : NaN,
    precision: P && called ? truePositives / called : NaN,
    f1: P ? (2 * truePositives) / (P + called) : NaN,
  };
}

// Rates over all pixels of the data set, as the evaluation found them.
function ratesOfAll(data, row, stop) {
  const { positives: P, negatives: N } = data;
  if (row.tpr[stop] == null) return rates(0, N * (row.fpr[stop] ?? NaN), 0, N);
  return rates(P * row.tpr[stop], N * row.fpr[stop], P, N);
}

// Pixels of one picture with each level or a higher one, known and anomalous.
function countLevels(levels, anomaly) {
  const atLeast = { 0: new Uint32Array(257), 1: new Uint32Array(257) };
  levels.forEach((level, pixel) => anomaly[pixel] <= 1 && atLeast[anomaly[pixel]][level]++);
  for (const counts of Object.values(atLeast)) {
    for (let level = 255; level >= 0; level--) counts[level] += counts[level + 1];
  }
  return atLeast;
}

function ratesOfPicture(atLeast, stop) {
  return rates(atLeast[1][stop + 1], atLeast[0][stop + 1], atLeast[1][0], atLeast[0][0]);
}

// The number of the threshold at which all pictures' TPR is nearest to another's.
function stopOfTpr(row, tpr) {
  const distance = (stop) => Math.abs((row.tpr[stop] ?? NaN) - tpr);
  return row.tpr.reduce((best, _, stop) => (distance(stop) < distance(best) ? stop : best), row.start);
}

async function unpackMap(text, [height, width]) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const map = new Uint8Array(await new Response(stream).arrayBuffer());
  for (let start = 0; start < height * width; start += width) {
    for (let pixel = start + 1; pixel < start + width; pixel++) map[pixel] += map[pixel - 1]; // modulo 256
  }
  return map;
}

// Pixels beside anomalies that are none themselves.
function outline(anomaly, [, width]) {
  const edge = new Uint8Array(anomaly.length);
  anomaly.forEach((truth, pixel) => {
    if (truth !== 1) return;
    const column = pixel % width;
    edge[pixel - width] = edge[pixel + width] = 1;
    if (column > 0) edge[pixel - 1] = 1;
    if (column < width - 1) edge[pixel + 1] = 1;
  });
  anomaly.forEach((truth, pixel) => truth === 1 && (edge[pixel] = 0));
  return edge;
}

// Colours of all 256 levels on the scale that the method's pictures share.
function heatOfLevels({ thresholds, heat: [low, high] }) {
  return Array.from({ length: 256 }, (_, level) => {
    const score = (thresholds[Math.max(0, level - 1)] + thresholds[Math.min(level, thresholds.length - 1)]) / 2;
    const share = level === 0 ? 0 : Math.min(1, Math.max(0, (score - low) / (high - low)));
    return page.heat[Math.round(255 * share)];
  });
}

function paintHeat(pixels, view) {
  const colours = heatOfLevels(view.row);
  view.levels.forEach((level, i) => put(pixels, i, view.edge[i] ? page.outline : colours[level]));
}

// Right is plain, a false alarm striped, a missed anomaly chequered: no colour has to be told from another.
function paintOpenSet(pixels, view) {
  const width = view.size[1];
  const { anomaly, levels } = view;
  for (let i = 0; i < levels.length; i++) {
    const [x, y, called] = [i % width, Math.floor(i / width), levels[i] > view.stop];
    const under = view.classes ? view.row.colours[view.classes[i]] ?? page.unknown : greyAt(view, i);
    if (anomaly[i] === 255) put(pixels, i, dimmed(called ? page.anomaly : under));
    else if (called) put(pixels, i, anomaly[i] === 1 || (x + y) % 8 < 5 ? page.anomaly : page.stripe);
    else if (anomaly[i] === 1) put(pixels, i, ((x >> 2) + (y >> 2)) % 2 ? page.missed : [255, 255, 255]);
    else put(pixels, i, under);
  }
}

function paintClasses(pixels, view) {
  view.classes.forEach((name, i) => put(pixels, i, view.row.colours[name] ?? page.unknown));
}

function paintTruth(pixels, view) {
  const width = view.size[1];
  view.anomaly.forEach((truth, i) => {
    const known = view.labels ? view.row.colours[view.labels[i]] ?? page.unknown : greyAt(view, i);
    const hatch = page.hatch[Math.floor(((i % width) + Math.floor(i / width)) / 6) % 2];
    put(pixels, i, truth === 1 ? page.anomaly : truth === 255 ? hatch : known);
  });
}

const greyAt = ({ grey }, i) => [grey[i], grey[i], grey[i]];
const dimmed = (colour) => colour.map((channel) => channel * 0.4);

function put(pixels, i, [red, green, blue]) {
  pixels[4 * i] = red;
  pixels[4 * i + 1] = green;
  pixels[4 * i + 2] = blue;
  pixels[4 * i + 3] = 255;
}
