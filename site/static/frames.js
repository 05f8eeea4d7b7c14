// A demo without Python: one control at a time, and the pictures that were made beforehand.
document.addEventListener("DOMContentLoaded", () => {
  // The theme's button for the search says less to those who hear it than to those who see it; its folded lists say nothing.
  document.querySelectorAll(".search-button-field").forEach((button) => {
    button.setAttribute("aria-label", button.textContent.replace(/\s+/g, " ").trim() || "Search");
  });
  document.querySelectorAll("summary").forEach((sign) => {
    if (!sign.textContent.trim()) sign.setAttribute("aria-label", "show or hide what is below");
  });
  document.querySelectorAll(".frames").forEach((box, number) => {
    const sweeps = JSON.parse(box.dataset.sweeps);
    const picture = box.querySelector("img");
    const about = picture.alt;
    const make = (tag, attributes) => Object.assign(document.createElement(tag), attributes);
    const row = make("div", { className: "frames-row" });
    const which = make("select", { id: `frames-which-${number}` });
    sweeps.forEach((sweep, k) => which.append(make("option", { value: k, textContent: sweep.label })));
    const slider = make("input", { type: "range", min: 0, step: 1, id: `frames-at-${number}` });
    const value = make("output", { htmlFor: slider.id });
    row.append(make("label", { htmlFor: which.id, textContent: "move " }), which,
               make("label", { htmlFor: slider.id, textContent: "to " }), slider, value);
    box.prepend(row);
    const show = () => {
      const sweep = sweeps[which.value];
      picture.src = sweep.pictures[slider.value];
      value.textContent = sweep.values[slider.value];
      picture.alt = `${about} ${sweep.label}: ${sweep.values[slider.value]}.`;
      slider.setAttribute("aria-valuetext", value.textContent);
    };
    const choose = () => {
      const sweep = sweeps[which.value];
      slider.max = sweep.values.length - 1;
      slider.value = sweep.start;
      show();
    };
    which.addEventListener("change", choose);
    slider.addEventListener("input", show);
    choose();
  });
});
