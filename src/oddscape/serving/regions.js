// From scores and a threshold to anomalous pixels and regions, by the rules of oddscape.regions.

/**
 * Which pixels are anomalous, and their 8-connected regions, largest first.
 *
 * @param maps of maps.js
 * @param threshold pixels with a score above it are anomalous; null: none
 * @param rules min_region in pixels of the picture; low, the lower threshold of hysteresis, or null
 * @returns {{mask: Uint8Array, regions: object[]}} areas and boxes in pixels of the maps
 */
export function findRegions({ score, width, height, pictureWidth, pictureHeight }, threshold, rules) {
  const mask = new Uint8Array(score.length);
  if (threshold === null) return { mask, regions: [] };
  const low = rules.low === null ? threshold : Math.min(rules.low, threshold);
  const smallest = (rules.min_region * width * height) / (pictureWidth * pictureHeight);
  const seen = new Uint8Array(score.length);
  const pixels = new Int32Array(score.length);
  const regions = [];
  for (let start = 0; start < score.length; start++) {
    if (seen[start] || !(score[start] > low)) continue;
    const region = grow(start, low, { score, width, height, seen, pixels });
    if (!(region.highest > threshold) || region.area < smallest) continue;
    for (let index = 0; index < region.area; index++) mask[pixels[index]] = 1;
    regions.push(region);
  }
  return { mask, regions: regions.sort((a, b) => b.area - a.area) };
}

/** The region around one pixel; its pixels are left in `pixels`. */
function grow(start, low, { score, width, height, seen, pixels }) {
  let area = 1, sum = 0, highest = -Infinity;
  let left = width, right = 0, top = height, bottom = 0;
  pixels[0] = start;
  seen[start] = 1;
  for (let next = 0; next < area; next++) {
    const pixel = pixels[next], x = pixel % width, y = (pixel - x) / width;
    sum += score[pixel];
    highest = Math.max(highest, score[pixel]);
    left = Math.min(left, x); right = Math.max(right, x + 1);
    top = Math.min(top, y); bottom = Math.max(bottom, y + 1);
    for (let row = Math.max(0, y - 1); row <= Math.min(height - 1, y + 1); row++) {
      for (let column = Math.max(0, x - 1); column <= Math.min(width - 1, x + 1); column++) {
        const beside = row * width + column;
        if (!seen[beside] && score[beside] > low) {
          seen[beside] = 1;
          pixels[area++] = beside;
        }
      }
    }
  }
  return { area, mean: sum / area, highest, left, top, right, bottom };
}
