// How often each score occurs, and which scores are worth a colour.

const BARS = 80, WIDTH = 320, HEIGHT = 76;

/** Lowest and highest finite score, and the 1 % and 99 % quantiles, between which the heat map is painted. */
export function rangeOf(score) {
  const finite = score.filter(Number.isFinite).sort();
  if (!finite.length) return { lowest: 0, highest: 1, cold: 0, hot: 1 };
  const at = (share) => finite[Math.round(share * (finite.length - 1))];
  const apart = (low, high) => (high > low ? [low, high] : [low - 0.5, high + 0.5]);
  const [lowest, highest] = apart(finite[0], finite.at(-1));
  const [cold, hot] = apart(at(0.01), at(0.99));
  return { lowest, highest, cold, hot };
}

/** Draw bars, as high as the square root of their counts, into an SVG element. */
export function drawHistogram(svg, score, { lowest, highest }, own) {
  const counts = new Uint32Array(BARS);
  for (const value of score) {
    if (Number.isFinite(value)) counts[Math.min(BARS - 1, Math.floor(((value - lowest) / (highest - lowest)) * BARS))]++;
  }
  const most = Math.sqrt(counts.reduce((a, b) => Math.max(a, b)));
  const bars = [...counts].map((count, index) => {
    const height = count && Math.max(1, (Math.sqrt(count) / most) * (HEIGHT - 4));
    return element("rect", {
      class: "bar", x: (index * WIDTH) / BARS, y: HEIGHT - height, width: WIDTH / BARS - 0.6, height,
      "data-from": lowest + ((index + 0.5) * (highest - lowest)) / BARS,
    });
  });
  const place = own === null ? -1 : ((own - lowest) / (highest - lowest)) * WIDTH;
  const line = element("line", { class: "own", x1: place, x2: place, y1: 0, y2: HEIGHT });
  svg.replaceChildren(...bars, ...(place >= 0 && place <= WIDTH ? [line] : []));
}

/** Colour the bars above a threshold as anomalies; null: none. */
export function markAbove(svg, threshold) {
  for (const bar of svg.querySelectorAll(".bar")) {
    bar.classList.toggle("above", threshold !== null && Number(bar.dataset.from) > threshold);
  }
}

function element(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
