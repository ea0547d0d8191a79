import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startContender } from "./contender.ts";
import { growthPlot } from "./growth-plot.ts";
import { quantile } from "./job.ts";
import { machine } from "./machine.ts";
import { formatSizes, parseSizes, type Sizes } from "./sizes.ts";
import { wholeNumber } from "./usage-error.ts";

const FILES = ["../growth.csv", "../growth.svg"].map((name) => fileURLToPath(new URL(name, import.meta.url)));
const BASE = parseSizes("d256,L4,V4096,4x128");
const VALUES: Readonly<Record<"width" | "layers" | "tokens" | "vocabulary", readonly number[]>> = {
  width: [64, 128, 256, 512, 768],
  layers: [1, 2, 4, 8, 16],
  tokens: [32, 64, 128, 256, 512, 1024],
  vocabulary: [1024, 2048, 4096, 8192, 16384, 32768],
};
export const HEAD = "date,machine,cores,contender,threads,varied,value,config,ms_p20,ms_p50,ms_p80,peak_mib";

/** A point of {@link VALUES}. */
export interface GrowthPoint {
  readonly varied: string;
  readonly value: number;
  readonly ms: number;
}

/** Step time as one size grows and the others stay: growth.csv and its plot. */
export async function growth(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string", default: "2" },
      steps: { type: "string", default: "5" },
      threads: { type: "string", default: machine().cores },
      blas: { type: "string" },
      "plot-only": { type: "boolean", default: false },
    },
  });
  const [csv, svg] = FILES as [string, string];
  if (!values["plot-only"]) {
    const [rounds, steps] = [wholeNumber("rounds", values.rounds), wholeNumber("steps", values.steps)];
    const options = ["--threads", values.threads, ...(values.blas === undefined ? [] : ["--blas", values.blas])];
    const lines: string[] = [];
    for (const [varied, sizes] of Object.entries(VALUES))
      for (const value of sizes) {
        const line = await point(varied, parseSizes(formatSizes({ ...BASE, [varied]: value } as Sizes)), {
          options,
          asks: rounds,
          steps,
        });
        process.stderr.write(`${line}\n`);
        lines.push(line);
      }
    writeFileSync(csv, `${[HEAD, ...lines].join("\n")}\n`);
  }
  if (!existsSync(csv)) throw new Error("growth: expected bench/growth.csv for --plot-only, got none; run growth");
  writeFileSync(svg, growthPlot(readPoints(readFileSync(csv, "utf8"))));
  process.stdout.write("growth: bench/growth.csv and bench/growth.svg\n");
}

async function point(
  varied: string,
  sizes: Sizes,
  { options, asks, steps }: { readonly options: readonly string[]; readonly asks: number; readonly steps: number },
): Promise<string> {
  const config = formatSizes(sizes);
  const bench = fileURLToPath(new URL("./bench.js", import.meta.url));
  const worker = await startContender([process.execPath, bench, "step", "--config", config, ...options, "--serve"]);
  const ms: number[] = [];
  let peak = 0;
  for (let i = 0; i < asks; i++) {
    const samples = await worker.ask(steps);
    ms.push(...samples.ms);
    peak = samples.peak_mib;
  }
  worker.stop();
  const { date, machine: model, cores } = machine();
  const { contender, threads } = worker.description;
  const at = (p: number) => quantile(ms, p).toFixed(2);
  const value = String(sizes[varied as keyof Sizes]);
  const cells = [date, model, cores, contender, threads, varied, value, config.replaceAll(",", " ")];
  return [...cells, at(0.2), at(0.5), at(0.8), peak].join();
}

function readPoints(text: string): GrowthPoint[] {
  const [head = "", ...lines] = text.trim().split("\n");
  const columns = head.split(",");
  return lines.map((line) => {
    const cells = line.split(",");
    const cell = (name: string) => cells[columns.indexOf(name)] ?? "";
    return { varied: cell("varied"), value: Number(cell("value")), ms: Number(cell("ms_p50")) };
  });
}
