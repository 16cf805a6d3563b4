// Curves: a threshold moves along those of one row, by the slider or under the pointer, and says its figures.
page.parts.forEach((data, part) => {
  const box = document.querySelector(`#part-${part + 1} .along`);
  if (!box) return;
  const [choice, slider, said] = ["select", "input", "output"].map((tag) => box.querySelector(tag));
  const [left, right, top, bottom] = data.frame;
  const plots = [...box.parentElement.querySelectorAll("figure[data-curve]")].map((figure) => {
    const svg = figure.querySelector("svg");
    const marker = document.createElementNS(svg.namespaceURI, "circle");
    marker.setAttribute("r", 6);
    svg.append(marker);
    return { svg, marker, kind: figure.dataset.curve };
  });

  const place = (kind, found) => {
    const [x, y] = kind === "roc" ? [found.fpr, found.tpr] : [found.tpr, found.precision];
    return [left + x * (right - left), bottom - y * (bottom - top)];
  };

  const show = () => {
    const row = data.rows[choice.value];
    const found = ratesOfAll(data, row, +slider.value);
    slider.max = row.thresholds.length - 1;
    slider.setAttribute("aria-valuetext", `threshold ${shortNumber(row.thresholds[slider.value])}`);
    said.textContent =
      `δ = ${shortNumber(row.thresholds[slider.value])}: TPR ${percent(found.tpr)} %, FPR ${percent(found.fpr)} %, ` +
      `precision ${percent(found.precision)} %, F1 ${percent(found.f1)} %`;
    for (const { marker, kind } of plots) {
      const [x, y] = place(kind, found);
      marker.toggleAttribute("hidden", !Number.isFinite(x + y));
      if (Number.isFinite(x + y)) marker.setAttribute("transform", `translate(${x} ${y})`);
      marker.setAttribute("class", `marker colour-${choice.value % 8}`);
    }
  };

  const choose = (row, stop) => {
    choice.value = row;
    slider.max = data.rows[row].thresholds.length - 1;
    slider.value = stop;
    show();
  };

  // The nearest point of any row's curve to the pointer.
  const follow = ({ svg, kind }, event) => {
    const to = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    let best = { distance: 30 };
    data.rows.forEach((row, index) =>
      row.thresholds.forEach((_, stop) => {
        const [x, y] = place(kind, ratesOfAll(data, row, stop));
        const distance = Math.hypot(x - to.x, y - to.y);
        if (distance < best.distance) best = { distance, index, stop };
      }),
    );
    if (best.index !== undefined) choose(best.index, best.stop);
  };
  for (const plot of plots) plot.svg.addEventListener("pointermove", (event) => follow(plot, event));
  choice.addEventListener("change", () => choose(choice.value, data.rows[choice.value].start));
  slider.addEventListener("input", show);
  box.hidden = false;
  choose(choice.value, data.rows[choice.value].start);
});
