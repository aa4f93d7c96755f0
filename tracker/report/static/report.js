// Draws the report's timeline: one chart below the other, zoomed and read together.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Numbers come as differences in whole steps (see tracker/report/timeline.py).
  const unpack = (differences, step) => {
    let total = 0;
    return differences.map((each) => (each === null ? null : (total += each) * step));
  };
  const times = unpack(data.t, 0.001);
  const curves = {};
  for (const name in data.curves) curves[name] = unpack(data.curves[name], 0.01);

  const charts = [];
  let range = [0, data.end];
  let following = false;

  const setRange = (low, high) => {
    range = [Math.max(0, low), Math.min(data.end, high)];
    following = true;
    for (const chart of charts) chart.setScale("x", { min: range[0], max: range[1] });
    following = false;
    document.getElementById("range").textContent =
      `${range[0].toFixed(1)} to ${range[1].toFixed(1)} s`;
  };

  // Hatched, so that holds can be told from beam-on time without colour.
  const hatch = (ctx) => {
    const size = 7 * devicePixelRatio;
    const tile = document.createElement("canvas");
    tile.width = tile.height = size;
    const pen = tile.getContext("2d");
    pen.fillStyle = colour("--hold");
    pen.fillRect(0, 0, size, size);
    pen.strokeStyle = "#ecc486";
    pen.lineWidth = 1.3 * devicePixelRatio;
    for (const shift of [-size, 0, size]) {
      pen.beginPath();
      pen.moveTo(shift, size);
      pen.lineTo(shift + size, 0);
      pen.stroke();
    }
    return ctx.createPattern(tile, "repeat");
  };

  // Beam-on time and holds behind the curves; shots as dots in front.
  const bands = (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    const paint = (list, style) => {
      ctx.fillStyle = style;
      for (const [start, stop] of list) {
        const left = u.valToPos(start, "x", true);
        const right = u.valToPos(stop, "x", true);
        if (right < bbox.left || left > bbox.left + bbox.width) continue;
        ctx.fillRect(left, bbox.top, Math.max(right - left, 1), bbox.height);
      }
    };
    paint(data.beam, colour("--beam"));
    paint(data.unknown, colour("--unknown"));
    paint(data.holds, hatch(ctx));
    ctx.restore();
  };

  const labels = (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.fillStyle = "#7a4a00";
    ctx.strokeStyle = "rgba(255,255,255,.9)";
    ctx.lineWidth = 3 * devicePixelRatio;
    ctx.lineJoin = "round";
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    let free = bbox.left;
    for (const [start, stop, reason] of data.holds) {
      if (stop < range[0] || start > range[1]) continue;
      const at = Math.max(u.valToPos(start, "x", true), bbox.left) + 4 * devicePixelRatio;
      if (at < free) continue;
      ctx.strokeText(reason, at, bbox.top + 4 * devicePixelRatio);
      ctx.fillText(reason, at, bbox.top + 4 * devicePixelRatio);
      free = at + ctx.measureText(reason).width + 8 * devicePixelRatio;
    }
    ctx.restore();
  };

  const dots = (axis) => (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const shot of data.shots) {
      ctx.beginPath();
      const x = u.valToPos(shot[0], "x", true);
      const y = u.valToPos(shot[1 + axis], "y", true);
      ctx.arc(x, y, 4.2 * devicePixelRatio, 0, 2 * Math.PI);
      ctx.fillStyle = colour("--shot");
      ctx.fill();
      ctx.lineWidth = devicePixelRatio;
      ctx.strokeStyle = "#fff";
      ctx.stroke();
    }
    ctx.restore();
  };

  const written = (u, value, series, index) =>
    index == null ? "" : value == null ? "–" : value.toFixed(2).replace("-", "\u2212");
  const ticks = (u, splits) => splits.map((v) => String(+v.toFixed(6)).replace("-", "\u2212"));

  const draw = (place, isLast) => {
    const host = document.getElementById(`chart-${place.id}`);
    const lines = place.lines.filter((line) => curves[line.curve]);
    if (!lines.length) return;
    const axis = { stroke: "#55626f", grid: { stroke: "rgba(40,60,80,.10)", width: 1 },
      ticks: { stroke: "#b8c2ca", width: 1, size: 4 }, font: "11px system-ui, sans-serif" };
    const options = {
      width: host.clientWidth,
      height: place.height + (isLast ? 22 : 0),
      padding: [6, 10, 0, 0],
      cursor: { sync: { key: "session" }, drag: { x: true, y: false, setScale: true },
        points: { size: 5 }, focus: { prox: -1 } },
      scales: { x: { time: false }, y: { range: place.fromZero
        ? (u, low, high) => [0, Math.max(1, (high || 1) * 1.06)]
        : (u, low, high) => {
          const pad = Math.max(0.5, ((high ?? 1) - (low ?? -1)) * 0.08);
          return [(low ?? -1) - pad, (high ?? 1) + pad];
        } } },
      axes: [
        { ...axis, size: isLast ? 38 : 20, label: isLast ? "time in s" : undefined, labelSize: 18,
          labelFont: "12px system-ui, sans-serif", values: ticks },
        { ...axis, size: 46, gap: 4, values: ticks, space: 26 },
      ],
      legend: { live: true, mount: (u, legend) => host.querySelector(".top").appendChild(legend),
        markers: { width: 0, fill: (u, i) => (i ? colour(lines[i - 1].colour) : "transparent") } },
      series: [{}].concat(lines.map((line) => ({
        label: line.label, stroke: colour(line.colour), width: line.width || 1.5,
        dash: line.dash, value: written, points: { show: false }, spanGaps: false,
      }))),
      hooks: {
        drawClear: [bands],
        draw: [].concat(place.labels ? [labels] : [], place.shots == null ? [] : [dots(place.shots)]),
        setScale: [(u, key) => {
          if (key !== "x" || following || u.scales.x.min == null) return;
          setRange(u.scales.x.min, u.scales.x.max);
        }],
      },
    };
    const values = [times].concat(lines.map((line) => curves[line.curve]));
    following = true;
    charts.push(new uPlot(options, values, host));
    following = false;
  };

  data.charts.forEach((place, index) => draw(place, index === data.charts.length - 1));

  const start = data.tracking === null ? 0 : data.tracking;
  const buttons = {
    all: () => setRange(0, data.end),
    tracking: () => setRange(start, data.end),
    start: () => setRange(start - 5, start + 25),
    closer: () => zoom(0.5),
    wider: () => zoom(2),
    earlier: () => move(-0.5),
    later: () => move(0.5),
  };
  const zoom = (factor) => {
    const middle = (range[0] + range[1]) / 2;
    const half = Math.max(((range[1] - range[0]) * factor) / 2, 0.5);
    setRange(middle - half, middle + half);
  };
  const move = (share) => {
    const width = range[1] - range[0];
    const low = Math.min(Math.max(range[0] + share * width, 0), data.end - width);
    setRange(low, low + width);
  };
  for (const button of document.querySelectorAll("button[data-do]")) {
    button.addEventListener("click", () => buttons[button.dataset.do]());
  }
  for (const button of document.querySelectorAll("button[data-from]")) {
    button.addEventListener("click", () => {
      setRange(+button.dataset.from - 6, +button.dataset.to + 6);
      document.getElementById("timeline").scrollIntoView();
    });
  }
  for (const chart of charts) {
    chart.over.addEventListener("dblclick", () => setRange(0, data.end));
  }
  const resize = () => {
    for (const chart of charts) {
      chart.setSize({ width: chart.root.parentElement.clientWidth, height: chart.height });
    }
  };
  window.addEventListener("resize", resize);
  if (data.tracking === null) setRange(0, data.end);
  else setRange(start - 5, start + 40);
})();
