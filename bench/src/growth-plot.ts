import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { GrowthPoint } from "./growth.ts";

/** Four panels on logarithmic axes, one SVG; dashed: a time in proportion to the size, through the largest point. */
export function growthPlot(points: readonly GrowthPoint[]): string {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const panels = [...new Set(points.map(({ varied }) => varied))].map((varied, i) => {
    const own = points.filter((point) => point.varied === varied);
    const last = own.at(-1) as GrowthPoint;
    const proportional = own.map(({ value }) => ({ value, ms: (last.ms * value) / last.value }));
    const svg = Plot.plot({
      document: document as unknown as Document,
      width: WIDTH,
      height: HEIGHT,
      marginLeft: 50,
      x: { type: "log", base: 2, label: varied, ticks: own.map(({ value }) => value), tickFormat: String },
      y: { type: "log", label: "ms a step", grid: true, tickFormat: String },
      marks: [
        Plot.line(proportional, { x: "value", y: "ms", stroke: "#999", strokeDasharray: "4 3" }),
        Plot.line(own, { x: "value", y: "ms", stroke: "#1f5fa8", strokeWidth: 2 }),
        Plot.dot(own, { x: "value", y: "ms", fill: "#1f5fa8" }),
      ],
    });
    svg.setAttribute("x", String((i % 2) * WIDTH));
    svg.setAttribute("y", String(Math.floor(i / 2) * HEIGHT));
    return svg.outerHTML;
  });
  const [width, height] = [2 * WIDTH, Math.ceil(panels.length / 2) * HEIGHT];
  const open = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`;
  return `${open}<rect width="100%" height="100%" fill="white"/>${panels.join("")}</svg>\n`;
}

const [WIDTH, HEIGHT] = [420, 300];
