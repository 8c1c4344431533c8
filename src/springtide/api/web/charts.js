// Two charts a service on one time axis: instances by rung under the wanted line, and requests under the capacity.

import uPlot from "/web/vendor/uplot/uPlot.esm.js";
import { element } from "./elements.js";
import { RUNGS } from "./history.js";

const INSTANCES_HEIGHT = 148;
const REQUESTS_HEIGHT = 100;
const AXIS_WIDTH = 38;
const FONT = "11px system-ui, sans-serif";
const WHOLE_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];

const steps = uPlot.paths.stepped({ align: 1 });
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export class ServiceCharts {
  // onPoint(index | null): the moment under the pointer, in either chart.
  constructor(parent, label, onPoint) {
    this.parent = parent;
    this.label = label;
    this.onPoint = onPoint;
    this.span = [0, 1];
    this.columns = Array.from({ length: 8 }, () => []);
    this.build();
    new ResizeObserver(() => this.fit()).observe(parent);
  }

  build() {
    for (const chart of this.charts ?? []) chart.destroy();
    this.parent.replaceChildren();
    const sync = uPlot.sync(this.label);
    this.caption("Instances");
    const instances = this.instances(sync);
    this.caption("Requests a second; dashed: what the ready ones carry in comfort");
    this.charts = [instances, this.requests(sync)];
    this.show(this.columns, this.span);
  }

  caption(text) {
    this.parent.append(element("p", { class: "caption" }, text));
  }

  show(columns, span) {
    this.columns = columns;
    this.span = span;
    const [times, own, shared, borrowed, cloud, wanted, rate, capacity] = columns;
    this.charts[0].setData([times, cloud, borrowed, shared, own, wanted]);
    this.charts[1].setData([times, rate, capacity]);
  }

  fit() {
    const width = this.parent.clientWidth;
    if (!width) return;
    this.charts[0].setSize({ width, height: INSTANCES_HEIGHT });
    this.charts[1].setSize({ width, height: REQUESTS_HEIGHT });
  }

  // Opaque areas from the highest sum down to own: what stays visible of each is its own count.
  instances(sync) {
    const areas = [...RUNGS].reverse().map((rung) => ({
      fill: colour(rung), stroke: colour(`${rung}-edge`), width: 1, paths: steps, points: { show: false },
    }));
    const wanted = { stroke: colour("ink"), width: 2, dash: [5, 3], paths: steps, points: { show: false } };
    return this.chart(sync, INSTANCES_HEIGHT, [...areas, wanted], false, WHOLE_STEPS);
  }

  requests(sync) {
    const rate = { stroke: colour("rate"), fill: colour("rate-fill"), width: 1.5, points: { show: false } };
    const capacity = { stroke: colour("ink-soft"), width: 1.5, dash: [5, 3], paths: steps, points: { show: false } };
    return this.chart(sync, REQUESTS_HEIGHT, [rate, capacity], true, WHOLE_STEPS);
  }

  chart(sync, height, series, hasTimes, incrs) {
    const axis = { stroke: colour("ink-soft"), font: FONT, ticks: { show: false } };
    const grid = { stroke: colour("rule"), width: 1 };
    const options = {
      width: Math.max(200, this.parent.clientWidth), height,
      padding: [8, 24, hasTimes ? 0 : 6, 0],
      legend: { show: false },
      cursor: { sync: { key: sync.key }, y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: {
        x: { time: true, range: () => this.span },
        y: { range: (_, __, most) => [0, most === null ? 4 : Math.max(4, most * 1.12)] },
      },
      axes: [
        { ...axis, show: hasTimes, size: 22, gap: 4, space: 80, grid: { show: false },
          values: (_, moments) => moments.map((moment) => uPlot.fmtDate("{HH}:{mm}:{ss}")(new Date(moment * 1000))) },
        { ...axis, size: AXIS_WIDTH, gap: 4, space: 26, grid, incrs },
      ],
      series: [{}, ...series],
      hooks: { setCursor: [(chart) => this.onPoint(chart.cursor.left >= 0 ? chart.cursor.idx : null)] },
    };
    return new uPlot(options, [[], ...series.map(() => [])], this.parent);
  }
}
