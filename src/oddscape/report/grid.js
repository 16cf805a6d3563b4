// Pictures of a section: sorted, filtered, walked through by the arrow keys, opened by a click or Enter.
page.parts.forEach((data, part) => {
  const box = document.querySelector(`#part-${part + 1} .pictures`);
  if (!box) return;
  const grid = box.querySelector(".tiles");
  const [row, key, direction, filter, mapsOnly, count] = ["row", "key", "direction", "filter", "maps-only", "count"].map(
    (name) => box.querySelector(`[name=${name}]`),
  );
  const tiles = [...grid.children].map((tile) => {
    const button = tile.firstElementChild;
    const number = +button.dataset.picture;
    return { tile, button, number, name: data.pictures[number], figures: button.querySelector(".tile-figures") };
  });
  const figure = (list, number) => list[number] ?? NaN;
  const keys = {
    ap: (number) => figure(data.rows[row.value].ap, number),
    fpr95: (number) => figure(data.rows[row.value].fpr95, number),
    alarms: (number) => figure(data.rows[row.value].alarms, number),
    gain: (number) => figure(data.rows[row.value].ap, number) - figure(data.rows[box.dataset.baseline].ap, number),
    order: (number) => number,
  };

  const sort = () => {
    const sign = direction.value === "ascending" ? 1 : -1;
    const natural = new Intl.Collator(undefined, { numeric: true });
    const compare =
      key.value === "name"
        ? (a, b) => sign * natural.compare(a.name, b.name)
        : (a, b) => {
            const [x, y] = [a, b].map(({ number }) => keys[key.value](number));
            // Undefined figures stay at the end either way.
            if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
            return sign * (x - y);
          };
    tiles.sort(compare);
    grid.append(...tiles.map(({ tile }) => tile));
    show();
  };

  const show = () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const { tile, button, name } of tiles) {
      tile.hidden = !name.toLowerCase().includes(wanted) || (mapsOnly.checked && !("maps" in button.dataset));
    }
    const seen = tiles.filter(({ tile }) => !tile.hidden);
    count.textContent = `${seen.length.toLocaleString("en")} of ${tiles.length.toLocaleString("en")} pictures`;
    takeFocus(seen[0]?.button);
  };

  const say = () => {
    for (const { number, figures } of tiles) {
      const said = [
        ["AP", percent(keys.ap(number))],
        ["FPR95", percent(keys.fpr95(number))],
        ["false alarms", percent(keys.alarms(number))],
        ...(key.value === "gain" ? [["gain", percent(keys.gain(number))]] : []),
      ];
      figures.replaceChildren(
        ...said.map(([word, text]) => {
          const [item, value] = ["span", "b"].map((tag) => document.createElement(tag));
          value.textContent = text;
          item.append(`${word} `, value);
          return item;
        }),
      );
    }
  };

  // One tile is reached by Tab, the others from it by arrows.
  const takeFocus = (button) => {
    grid.querySelector("[tabindex='0']")?.setAttribute("tabindex", -1);
    button?.setAttribute("tabindex", 0);
  };
  const across = () => getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const steps = { ArrowRight: () => 1, ArrowLeft: () => -1, ArrowDown: across, ArrowUp: () => -across() };
  grid.addEventListener("keydown", (event) => {
    const seen = tiles.filter(({ tile }) => !tile.hidden).map(({ button }) => button);
    const at = seen.indexOf(document.activeElement);
    const ends = { Home: 0, End: seen.length - 1 };
    const to = event.key in ends ? ends[event.key] : event.key in steps ? at + steps[event.key]() : -1;
    if (at < 0 || !seen[to]) return;
    event.preventDefault();
    takeFocus(seen[to]);
    seen[to].focus();
  });
  grid.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    takeFocus(button);
    const seen = tiles.filter(({ tile }) => !tile.hidden);
    openViewer(part, seen.map(({ number }) => number), +button.dataset.picture);
  });
  for (const failure of box.querySelectorAll(".failure")) {
    const kin = [...failure.closest("ul").querySelectorAll(".failure")];
    failure.addEventListener("click", () =>
      openViewer(part, [...new Set(kin.map((one) => +one.dataset.picture))], +failure.dataset.picture, JSON.parse(failure.dataset.box)),
    );
  }
  // What lies worst comes first: low AP, but many false alarms.
  key.addEventListener("change", () => {
    direction.value = ["fpr95", "alarms"].includes(key.value) ? "descending" : "ascending";
    say();
    sort();
  });
  row.addEventListener("change", () => (say(), sort()));
  direction.addEventListener("change", sort);
  filter.addEventListener("input", show);
  mapsOnly.addEventListener("change", show);
  show();
  box.disabled = false;
});
