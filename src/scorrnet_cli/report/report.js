"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { grid, fields, frames, maps, mm } = data;
  const cells = grid.columns * grid.rows;
  const zoom = Math.max(1, Math.ceil(900 / Math.max(grid.columns, grid.rows)));
  const byId = (name) => document.getElementById(name);
  const picture = byId("picture"), slider = byId("slider");
  let frame = Math.max(0, frames.findLastIndex((each) => !each.failure)), field = 0, planes = [], pointed = null, wanted = 0, timer = null;

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const colours = Object.fromEntries(Object.entries(maps).map(([name, text]) => [name, bytes(text)]));

  // The reverse of packing.py: bytes -> differences -> numbers -> values; 0 stands for none.
  async function unpack([offset, gain, text]) {
    const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
    const raw = new Uint8Array(await new Response(stream).arrayBuffer());
    const values = new Float32Array(cells);
    for (let i = 0, number = 0; i < cells; i++) {
      number = (number + (raw[i] << 8) + raw[cells + i]) & 0xffff;
      values[i] = number ? offset + gain * (number - 1) : NaN;
    }
    return values;
  }

  function painted(values, { low, high, map }) {
    const image = new ImageData(grid.columns, grid.rows);
    const rgb = colours[map];
    for (let i = 0; i < cells; i++) {
      if (Number.isNaN(values[i])) continue;
      const place = Math.min(255, Math.max(0, Math.floor((256 * (values[i] - low)) / (high - low))));
      image.data.set(rgb.subarray(3 * place, 3 * place + 3), 4 * i);
      image.data[4 * i + 3] = 255;
    }
    const canvas = document.createElement("canvas");
    canvas.width = grid.columns;
    canvas.height = grid.rows;
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  // About four digits of the range of colours, with an exponent where there would be many zeros.
  function digits(value, { low, high }) {
    const places = Math.max(0, 4 - Math.floor(Math.log10(high - low)));
    return places < 10 ? value.toFixed(places) : value.toExponential(4);
  }

  function written(value, shown) {
    if (Number.isNaN(value)) return "not measured";
    return `${digits(value, shown).replaceAll("-", "\u2212")} ${shown.unit}`.trim();
  }

  function length(px) {
    return mm === null ? `${px} px` : `${px} px (${(px * mm).toPrecision(4)} mm)`;
  }

  const background = new Image();

  // A black line with a white rim is seen on any colour.
  function drawMark(context, { name, corners }) {
    const scale = zoom / grid.step;
    const places = corners.map(([x, y]) => [(x + 0.5 - grid.x) * scale, (y + 0.5 - grid.y) * scale]);
    const size = Math.max(picture.width, picture.height) / 75;
    context.beginPath();
    if (places.length === 1) context.arc(...places[0], size / 2, 0, 2 * Math.PI);
    else places.forEach((place, index) => (index ? context.lineTo(...place) : context.moveTo(...place)));
    context.font = `${Math.max(14, 1.6 * size)}px sans-serif`;
    const [left, top] = places[0], text = [name, left + size, top - size / 2];
    for (const [style, width] of [["white", 5], ["black", 2]]) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.stroke();
    }
    context.strokeStyle = "white";
    context.lineWidth = 4;
    context.lineJoin = "round";
    context.strokeText(...text);
    context.fillStyle = "black";
    context.fillText(...text);
  }

  function drawPicture() {
    const context = picture.getContext("2d");
    context.imageSmoothingEnabled = true;
    context.clearRect(0, 0, picture.width, picture.height);
    if (data.image) context.drawImage(background, 0, 0, picture.width, picture.height);
    context.imageSmoothingEnabled = false;
    const shown = fields[field];
    context.drawImage(painted(planes[field], shown), 0, 0, picture.width, picture.height);
    for (const mark of data.marks) drawMark(context, mark);
    const bar = byId("bar").getContext("2d"), strip = bar.createImageData(256, 1);
    for (let i = 0; i < 256; i++) strip.data.set([...colours[shown.map].subarray(3 * i, 3 * i + 3), 255], 4 * i);
    bar.putImageData(strip, 0, 0);
    byId("low").textContent = written(shown.low, shown);
    byId("middle").textContent = written((shown.low + shown.high) / 2, shown);
    byId("high").textContent = written(shown.high, shown);
    byId("caption").textContent = `${shown.name}: ${shown.words}` + (frames[frame].failure ? " (nothing was measured)" : "");
  }

  const gallery = fields.map((shown, index) => {
    const button = document.createElement("button");
    button.type = "button";
    const canvas = document.createElement("canvas");
    canvas.width = grid.columns;
    canvas.height = grid.rows;
    const name = document.createElement("span");
    name.textContent = shown.name;
    button.append(canvas, name);
    button.title = shown.words;
    button.addEventListener("click", () => { field = index; refresh(); });
    byId("gallery").append(button);
    return button;
  });

  const rows = fields.map((shown) => {
    const row = byId("readout").tBodies[0].insertRow();
    row.dataset.field = shown.name;
    row.insertCell().textContent = shown.name;
    row.insertCell();
    return row;
  });

  function read() {
    fields.forEach((shown, index) => {
      rows[index].className = index === field ? "chosen" : "";
      const value = pointed === null || !planes.length ? null : planes[index][pointed.row * grid.columns + pointed.column];
      rows[index].cells[1].textContent = value === null ? "" : written(value, shown);
    });
    if (pointed === null) return;
    const middle = (grid.step - 1) / 2;
    const x = grid.x + pointed.column * grid.step + middle, y = grid.y + pointed.row * grid.step + middle;
    byId("place").textContent = `x ${length(x)}, y ${length(y)}`;
  }

  function refresh() {
    gallery.forEach((button, index) => button.setAttribute("aria-pressed", String(index === field)));
    drawPicture();
    read();
  }

  async function show(index) {
    frame = Math.min(frames.length - 1, Math.max(0, index));
    slider.value = frame;
    byId("frame-name").textContent = `${frame}: ${frames[frame].label}`;
    for (const chart of document.querySelectorAll(".chart")) {
      const place = chart.dataset.x.split(" ")[frame], now = chart.querySelector(".now");
      now.setAttribute("x1", place);
      now.setAttribute("x2", place);
    }
    const mine = ++wanted;
    const found = await Promise.all(data.planes[frame].map(unpack));
    if (mine !== wanted) return; // another frame has been asked for meanwhile
    planes = found;
    gallery.forEach((button, each) => {
      const context = button.firstChild.getContext("2d");
      context.clearRect(0, 0, grid.columns, grid.rows);
      context.drawImage(painted(planes[each], fields[each]), 0, 0);
    });
    refresh();
    document.body.dataset.shown = frame;
  }

  function point(event) {
    const box = picture.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * grid.columns);
    const row = Math.floor(((event.clientY - box.top) / box.height) * grid.rows);
    if (column < 0 || row < 0 || column >= grid.columns || row >= grid.rows) return;
    pointed = { column, row };
    read();
  }

  function play() {
    const button = byId("play");
    if (timer === null) {
      timer = setInterval(() => show((frame + 1) % frames.length), 400);
    } else {
      clearInterval(timer);
      timer = null;
    }
    button.textContent = timer === null ? "play" : "stop";
    button.setAttribute("aria-pressed", String(timer !== null));
  }

  picture.width = grid.columns * zoom;
  picture.height = grid.rows * zoom;
  picture.addEventListener("pointermove", point);
  picture.addEventListener("pointerdown", point);
  slider.addEventListener("input", () => show(Number(slider.value)));
  byId("previous").addEventListener("click", () => show(frame - 1));
  byId("next").addEventListener("click", () => show(frame + 1));
  byId("play").addEventListener("click", play);
  if (frames.length === 1) for (const name of ["previous", "slider", "next", "play"]) byId(name).hidden = true;
  if (data.image) {
    background.addEventListener("load", () => { if (planes.length) drawPicture(); });
    background.src = data.image;
  }
  show(frame);
})();
