// Live charts of the worker's page. The server prints the last 15 minutes as columns; each swap brings the
// newest row.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { define } from "./dom";

type Cell = number | null;
const WINDOW_SECONDS = 15 * 60;
const HEIGHT = 150;
const COLOURS = ["--accent", "--chart-1", "--chart-2"];

function read(): Cell[][] {
  try {
    return JSON.parse(document.getElementById("series")?.textContent ?? "[]") as Cell[][];
  } catch {
    return [];
  }
}

const series = read();
const charts = new Set<MetricChart>();

/** Appends a row, drops what is older than the window; a row that was seen before changes nothing. */
function append(row: Cell[]): void {
  const times = series[0];
  const [time] = row;
  if (!times || typeof time !== "number" || time <= (times.at(-1) ?? 0)) return;
  row.forEach((value, column) => series[column]?.push(value));
  while (((times[0] as number) ?? time) < time - WINDOW_SECONDS) for (const column of series) column.shift();
  for (const chart of charts) chart.draw();
}

/** `<sample-feed data-row="[…]">`: holds the newest row. */
class SampleFeed extends HTMLElement {
  static observedAttributes = ["data-row"];

  attributeChangedCallback(_: string, __: string | null, value: string | null): void {
    if (!value) return;
    const row = JSON.parse(value) as Cell[];
    if (row.length) append(row);
  }
}

interface Line {
  column: number;
  colour: number;
  unit: string;
}

/** `<metric-chart data-lines="1:0:% 2:2:°C">`: lines of the series over the last 15 minutes. */
class MetricChart extends HTMLElement {
  private plot: uPlot | null = null;
  private lines: Line[] = [];
  private size = new ResizeObserver(() => this.plot?.setSize({ width: this.clientWidth, height: HEIGHT }));
  private redo = (): void => this.build();

  connectedCallback(): void {
    const texts = (this.dataset.lines ?? "").trim().split(/\s+/);
    this.lines = texts.map((text) => {
      const [column = "1", colour = "0", unit = ""] = text.split(":");
      return { column: Number(column), colour: Number(colour), unit };
    });
    charts.add(this);
    this.build();
    this.size.observe(this);
    document.addEventListener("pictor:theme", this.redo);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", this.redo);
  }

  disconnectedCallback(): void {
    charts.delete(this);
    this.size.disconnect();
    document.removeEventListener("pictor:theme", this.redo);
    matchMedia("(prefers-color-scheme: dark)").removeEventListener("change", this.redo);
    this.plot?.destroy();
    this.plot = null;
  }

  draw(): void {
    this.plot?.setData(this.data());
  }

  private data(): uPlot.AlignedData {
    return [series[0] ?? [], ...this.lines.map((line) => series[line.column] ?? [])] as uPlot.AlignedData;
  }

  private build(): void {
    this.plot?.destroy();
    this.plot = new uPlot(this.options(), this.data(), this);
  }

  private options(): uPlot.Options {
    const colour = (name: string): string => probe(this, name);
    const axis = {
      stroke: colour("--text-faint"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    return {
      width: Math.max(this.clientWidth, 120),
      height: HEIGHT,
      legend: { show: false },
      cursor: { sync: { key: "metrics" }, y: false },
      scales: { x: { range: windowNow }, y: { range: [0, 100] } },
      axes: [
        { ...axis, values: clockTicks, space: 70 },
        { ...axis, size: 34, splits: () => [0, 50, 100] },
      ],
      series: [
        {},
        ...this.lines.map((line) => ({
          stroke: colour(COLOURS[line.colour] ?? "--accent"),
          width: 1.75,
          points: { show: false },
          spanGaps: false,
        })),
      ],
    };
  }
}

/** Always the whole window: a machine that has just come shows a short line and not a stretched one. */
function windowNow(): [number, number] {
  const end = (series[0]?.at(-1) as number | undefined) ?? Date.now() / 1000;
  return [end - WINDOW_SECONDS, end];
}

function clockTicks(_: uPlot, times: number[]): string[] {
  return times.map((time) =>
    new Date(time * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }),
  );
}

/** The colour that a property stands for now: `light-dark()` is only resolved on a real property. */
function probe(host: Element, name: string): string {
  const element = document.createElement("span");
  element.className = `colour-probe${name}`;
  host.append(element);
  const { color } = getComputedStyle(element);
  element.remove();
  return color;
}

define("metric-chart", MetricChart);
define("sample-feed", SampleFeed);
