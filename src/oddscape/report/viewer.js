// One picture, large: photograph and heat map with a slider between them, and what a threshold makes of it.
const viewer = document.querySelector("#viewer");
const wipe = viewer.querySelector("[name=wipe]");
const layer = viewer.querySelector("[name=layer]");
const together = viewer.querySelector("[name=together]");
let open = null; // { part, data, numbers, at, box, views }

async function openViewer(part, numbers, number, box = null) {
  open = { part, data: page.parts[part], numbers, at: numbers.indexOf(number), box, views: [] };
  if (!viewer.open) viewer.showModal();
  await showPicture();
  viewer.querySelector("h2").focus();
}

async function showPicture() {
  const current = open;
  const number = current.numbers[current.at];
  const name = current.data.pictures[number];
  viewer.querySelector("h2").textContent = name;
  viewer.querySelector(".place").textContent = `${current.at + 1} of ${current.numbers.length}`;
  viewer.querySelector("[name=previous]").disabled = current.at === 0;
  viewer.querySelector("[name=next]").disabled = current.at === current.numbers.length - 1;
  viewer.querySelector(".readout").textContent = "";
  const held = document.querySelector(`#maps-${current.part + 1}-${number}`);
  const views = held ? await readViews(current.data, JSON.parse(held.textContent)) : [];
  if (current !== open || current.numbers[current.at] !== number) return; // another was opened meanwhile
  current.views = views;
  const several = views.length > 1;
  together.closest("label").hidden = !several;
  viewer.querySelector(".methods").classList.toggle("several", several);
  for (const option of layer.options) option.hidden = option.value === "classes" && !views.some((view) => view.classes);
  viewer.querySelector(".controls").hidden = !views.length;
  viewer.querySelector(".methods").replaceChildren(...(held ? views.map(madeView) : [onlyThumbnail(current, number)]));
  viewer.querySelector(".class-names").replaceChildren(...classNames(views));
  views.forEach(paintView);
}

// Colours and names of the classes that are true or said somewhere in the picture.
function classNames(views) {
  const colours = new Map();
  for (const { row, classes, labels } of views) {
    for (const name of new Set([...(classes ?? []), ...(labels ?? [])])) {
      if (row.classes[name]) colours.set(row.classes[name], row.colours[name]);
    }
  }
  return [...colours].map(([name, colour]) => {
    const [item, chip] = ["li", "span"].map((tag) => document.createElement(tag));
    chip.className = "chip";
    chip.style.background = `rgb(${colour.join(" ")})`;
    item.append(chip, name);
    return item;
  });
}

async function readViews(data, maps) {
  const unpack = (text) => (text ? unpackMap(text, maps.size) : null);
  const photograph = new Image();
  photograph.src = `data:image/webp;base64,${maps.photograph}`;
  const [anomaly, labels] = await Promise.all([unpack(maps.anomaly), unpack(maps.labels), photograph.decode()]);
  const { size, full_size: fullSize } = maps;
  const shared = { size, fullSize, photograph, anomaly, labels, edge: outline(anomaly, size), grey: greyOf(photograph, size) };
  const own = Object.entries(maps.rows).map(async ([index, packed]) => {
    const [levels, classes] = await Promise.all([unpack(packed.levels), unpack(packed.classes)]);
    const row = data.rows[index];
    row.stop ??= row.start;
    return { ...shared, row, index, levels, classes, stop: row.stop, atLeast: countLevels(levels, anomaly) };
  });
  return Promise.all(own);
}

function greyOf(photograph, [height, width]) {
  const drawing = new OffscreenCanvas(width, height).getContext("2d");
  drawing.drawImage(photograph, 0, 0, width, height);
  const { data } = drawing.getImageData(0, 0, width, height);
  const luma = (i) => 0.3 * data[i] + 0.59 * data[i + 1] + 0.11 * data[i + 2];
  return Uint8Array.from({ length: height * width }, (_, pixel) => 20 + 0.55 * luma(4 * pixel));
}

function onlyThumbnail(current, number) {
  const note = document.createElement("p");
  const tile = document.querySelector(`#part-${current.part + 1} [data-picture="${number}"]`);
  note.append(...[...tile.children].map((child) => child.cloneNode(true)));
  note.className = "only-thumbnail";
  note.append("No maps of this picture are kept here; --report-pictures keeps more of them.");
  return note;
}

function madeView(view) {
  const made = document.querySelector("#method-view").content.cloneNode(true).firstElementChild;
  view.made = made;
  view.slider = made.querySelector("[name=threshold]");
  view.heat = painted(view.size, (pixels) => paintHeat(pixels, view));
  made.querySelector("h3").textContent = view.row.name;
  const [shown, whole] = [view.size, view.fullSize].map(([height, width]) => `${width}×${height}`);
  made.querySelector(".sampled").textContent = shown === whole ? `${whole} pixels` : `${shown} of its ${whole} pixels`;
  for (const canvas of made.querySelectorAll("canvas")) {
    [canvas.height, canvas.width] = view.size;
    canvas.addEventListener("pointermove", (event) => sayPixel(view, canvas, event));
  }
  view.slider.max = view.row.thresholds.length - 1;
  view.slider.addEventListener("input", () => moveThreshold(view, +view.slider.value));
  for (const button of made.querySelectorAll("[data-stop]")) {
    button.addEventListener("click", () => moveThreshold(view, view.row[button.dataset.stop]));
  }
  const [low, high] = made.querySelectorAll(".scale span:not(.ramp)");
  [low.textContent, high.textContent] = view.row.heat.map(shortNumber);
  const stage = made.querySelector("canvas.wipe");
  stage.addEventListener("pointerdown", (event) => stage.setPointerCapture(event.pointerId));
  stage.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    const { left, width } = stage.getBoundingClientRect();
    wipe.value = (100 * (event.clientX - left)) / width;
    open.views.forEach(paintWipe);
  });
  return made;
}

function moveThreshold(view, stop) {
  view.stop = stop;
  const tpr = view.row.tpr[stop];
  for (const other of open.views) {
    if (other !== view && together.checked && tpr != null) other.stop = stopOfTpr(other.row, tpr);
    if (other === view || together.checked) paintResult(other);
  }
}

function paintView(view) {
  paintWipe(view);
  paintResult(view);
}

function paintWipe(view) {
  const context = view.made.querySelector("canvas.wipe").getContext("2d");
  const [height, width] = view.size;
  const split = Math.round((width * wipe.value) / 100);
  context.drawImage(view.photograph, 0, 0, width, height);
  if (split < width) context.drawImage(view.heat, split, 0, width - split, height, split, 0, width - split, height);
  context.fillStyle = "#fff";
  if (split > 0 && split < width) context.fillRect(split - 1, 0, 2, height);
  drawBox(context, view.size);
}

function paintResult(view) {
  const { row, stop } = view;
  row.stop = stop; // the next picture starts there
  const canvas = view.made.querySelector("canvas.result");
  const paint = { "open set": paintOpenSet, classes: view.classes ? paintClasses : paintOpenSet, truth: paintTruth }[layer.value];
  const context = canvas.getContext("2d");
  context.drawImage(painted(view.size, (pixels) => paint(pixels, view)), 0, 0);
  drawBox(context, view.size);
  const threshold = row.thresholds[stop];
  view.slider.value = stop;
  view.slider.setAttribute("aria-valuetext", `threshold ${shortNumber(threshold)}`);
  view.made.querySelector(".delta").textContent = shortNumber(threshold);
  const [low, high] = row.heat;
  const place = Math.min(100, Math.max(0, (100 * (threshold - low)) / (high - low)));
  view.made.querySelector(".ramp").style.setProperty("--place", `${place}%`);
  const here = ratesOfPicture(view.atLeast, stop);
  sayRates(view.made.querySelector(".here"), here);
  sayRates(view.made.querySelector(".everywhere"), ratesOfAll(open.data, row, stop));
  canvas.setAttribute(
    "aria-label",
    `${layer.selectedOptions[0].text} of ${row.name} at ${shortNumber(threshold)}: ` +
      `TPR ${percent(here.tpr)} %, FPR ${percent(here.fpr)} %, F1 ${percent(here.f1)} %`,
  );
}

function sayRates(line, found) {
  for (const cell of line.querySelectorAll("[data-rate]")) cell.textContent = percent(found[cell.dataset.rate]);
}

function painted([height, width], paint) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  paint(image.data);
  context.putImageData(image, 0, 0);
  return canvas;
}

function drawBox(context, [height, width]) {
  if (!open.box) return;
  const [top, left, bottom, right] = open.box;
  const frame = [left * width - 3, top * height - 3, (right - left) * width + 6, (bottom - top) * height + 6];
  for (const [colour, thickness] of [["#000", 5], ["#fff", 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = thickness;
    context.strokeRect(...frame);
  }
}

// Classes, truth and score in words, so that no colour need be known.
function sayPixel(view, canvas, event) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const x = Math.floor(((event.clientX - left) / width) * canvas.width);
  const y = Math.floor(((event.clientY - top) / height) * canvas.height);
  if (x < 0 || y < 0 || x >= canvas.width || y >= canvas.height) return;
  const pixel = y * canvas.width + x;
  const { thresholds, classes } = view.row;
  const level = view.levels[pixel];
  const score = level ? `above ${shortNumber(thresholds[level - 1])}` : `at most ${shortNumber(thresholds[0])}`;
  const truth = { 0: classes[view.labels?.[pixel]] ?? "known", 1: "anomaly", 255: "ignored" }[view.anomaly[pixel]];
  const called = level > view.stop ? "anomaly" : classes[view.classes?.[pixel]] ?? "known";
  viewer.querySelector(".readout").textContent = `Truth: ${truth} · ${view.row.name}: ${called}, score ${score}`;
}

function step(by) {
  if (!open.numbers[open.at + by] && open.numbers[open.at + by] !== 0) return;
  open.at += by;
  open.box = null;
  showPicture();
}

wipe.addEventListener("input", () => open.views.forEach(paintWipe));
layer.addEventListener("change", () => open.views.forEach(paintResult));
together.addEventListener("change", () => together.checked && moveThreshold(open.views[0], open.views[0].stop));
viewer.querySelector("[name=previous]").addEventListener("click", () => step(-1));
viewer.querySelector("[name=next]").addEventListener("click", () => step(1));
viewer.querySelector("[name=close]").addEventListener("click", () => viewer.close());
viewer.addEventListener("click", (event) => event.target === viewer && viewer.close());
viewer.addEventListener("keydown", (event) => {
  // On a slider or a choice the arrows are its own.
  if (event.target.matches("input[type=range], select")) return;
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by) step(by);
});
