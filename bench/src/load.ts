import { execFileSync } from "node:child_process";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { llavaShapes, parseLlavaConfig } from "@kd/mllm";
import { writeWeights } from "@kd/safetensors/node";
import { parseSlmConfig, slmShapes } from "@kd/slm";
import { quantile } from "./job.ts";
import type { Loaded } from "./load-once.ts";
import { machine } from "./machine.ts";
import { UsageError, wholeNumber } from "./usage-error.ts";

/** SmolLM2-135M's decoder under a small tower; and one to try the command with. */
const SIZES: Readonly<Record<string, object>> = {
  "135m": {
    vocab_size: 49152,
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
  },
  tiny: { vocab_size: 512, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2, num_attention_heads: 4 },
};
const TOWER = {
  hidden_size: 192,
  intermediate_size: 768,
  num_hidden_layers: 4,
  num_attention_heads: 3,
  image_size: 64,
};
const WIDTHS = { BF16: 2, F16: 2, F32: 4 } as const;

/** Times `loadLlava` or `loadSlm` against a bare loop over the same bytes, each in processes of its own, by turns. */
export async function load(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: "string", default: "llava" },
      size: { type: "string", default: "135m" },
      dtype: { type: "string", default: "BF16" },
      rounds: { type: "string", default: "5" },
      json: { type: "boolean", default: false },
    },
  });
  const text = SIZES[values.size];
  const model = values.model as "llava" | "slm";
  if (text === undefined || !(values.dtype in WIDTHS) || !(model === "llava" || model === "slm"))
    throw new UsageError("load: expected --model llava or slm, --size 135m or tiny, --dtype BF16, F16 or F32");
  const folder = await mkdtemp(join(tmpdir(), "kd-bench-load-"));
  try {
    const written = await writeModel(folder, { model, text, dtype: values.dtype as keyof typeof WIDTHS });
    const runs: Record<Side, Loaded[]> = { bytes: [], model: [] };
    for (let round = 0; round < wholeNumber("rounds", values.rounds); round++)
      for (const side of ["bytes", "model"] as const) runs[side].push(once(side === "bytes" ? side : model, folder));
    const result = { ...machine(), model, dtype: values.dtype, ...written, ...summary(runs, written) };
    process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : `${lines(result).join("\n")}\n`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

type Side = "bytes" | "model";

interface Written {
  readonly parameters: number;
  readonly largest: number;
  readonly file: number;
}

interface Model {
  readonly model: "llava" | "slm";
  readonly text: object;
  readonly dtype: keyof typeof WIDTHS;
}

async function writeModel(folder: string, { model, text, dtype }: Model): Promise<Written> {
  const decoder = { model_type: "llama", tie_word_embeddings: true, ...text };
  const vision_config = { model_type: "siglip_vision_model", ...TOWER };
  const value = model === "slm" ? decoder : { text_config: decoder, vision_config, image_token_index: 1 };
  const shapes = model === "slm" ? slmShapes(parseSlmConfig(value), "") : llavaShapes(parseLlavaConfig(value));
  const width = WIDTHS[dtype];
  let [parameters, largest, seed] = [0, 0, 1];
  const tensors = [...shapes].map(([name, shape]) => {
    const count = shape.reduce((product, size) => product * size, 1);
    parameters += count;
    largest = Math.max(largest, count * width);
    const data = () => {
      const bytes = new Uint8Array(count * width);
      const words = new Uint16Array(bytes.buffer);
      for (let i = 0; i < words.length; i++) {
        seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
        words[i] = 0x3c00 | (seed >>> 23); // near 0.01 in BF16, 1 in F16
      }
      return bytes;
    };
    return [name, { dtype, shape, data }] as const;
  });
  await writeWeights(folder, tensors);
  await writeFile(join(folder, "config.json"), JSON.stringify(value));
  return { parameters, largest, file: (await stat(join(folder, "model.safetensors"))).size };
}

function once(what: Loaded["what"], folder: string): Loaded {
  const script = fileURLToPath(new URL("./bench.js", import.meta.url));
  return JSON.parse(
    execFileSync(process.execPath, [script, "load-once", what, folder], { encoding: "utf8" }),
  ) as Loaded;
}

function summary({ bytes, model }: Record<Side, Loaded[]>, { parameters, largest }: Written) {
  const least = (runs: Loaded[], key: "ms" | "cpuMs") => Math.min(...runs.map((run) => run[key]));
  const middle = (runs: Loaded[]) =>
    quantile(
      runs.map(({ ms }) => ms),
      0.5,
    );
  const mib = (n: number) => n / 2 ** 20;
  return {
    bytesCpuMs: least(bytes, "cpuMs"),
    modelCpuMs: least(model, "cpuMs"),
    bytesMs: least(bytes, "ms"),
    modelMs: least(model, "ms"),
    ratio: least(model, "ms") / least(bytes, "ms"),
    medianRatio: middle(model) / middle(bytes),
    cpuRatio: least(model, "cpuMs") / least(bytes, "cpuMs"),
    peakMib: Math.max(...model.map((run) => run.peakMib)),
    allowedMib: mib(4 * parameters + largest) * 1.1,
  };
}

function lines(
  r: Awaited<ReturnType<typeof summary>> &
    Written & { readonly dtype: string; readonly machine: string; readonly model: string },
) {
  const millions = (n: number) => (n / 1e6).toFixed(1);
  return [
    `${r.machine}; ${millions(r.parameters)} M parameters in ${r.dtype}, a file of ${millions(r.file)} MB`,
    `reading and widening its bytes ${r.bytesMs.toFixed(0)} ms (${r.bytesCpuMs.toFixed(0)} of CPU), ${r.model === "slm" ? "loadSlm" : "loadLlava"} ${r.modelMs.toFixed(0)} ms (${r.modelCpuMs.toFixed(0)} of CPU), least of the rounds`,
    `ratio ${r.ratio.toFixed(2)} of the least, ${r.medianRatio.toFixed(2)} of the medians, ${r.cpuRatio.toFixed(2)} of CPU time; at most 1.3 wanted`,
    `memory above the idle process at most ${r.peakMib.toFixed(0)} MiB; float32 weights + largest stored tensor + 10 % = ${r.allowedMib.toFixed(0)} MiB`,
  ];
}
