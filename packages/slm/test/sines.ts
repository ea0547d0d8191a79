import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Params, tensor } from "@kd/tensor-core";
import { parseSlmConfig, type Slm, slmShapes } from "../src/index.ts";

interface Fixture {
  readonly config: Record<string, unknown>;
  readonly shift: number;
  readonly input_ids: number[];
  readonly rows: number[];
  readonly logits: number[][];
  readonly inv_freq: number[];
  readonly prompts: number[][];
  readonly greedy: number[][];
  readonly penalized: number[][];
}

interface Fixtures {
  readonly models: Readonly<Record<"llama3" | "linear", Fixture>>;
  readonly sampling: { readonly options: Record<string, number>; readonly probabilities: Record<string, number> }[];
  readonly logits: number[];
  readonly seen: number[];
}

/** What transformers gives; `fixtures/make_fixtures.py` wrote it. */
export const fixtures: Fixtures = JSON.parse(
  readFileSync(join(import.meta.dirname, "fixtures/transformers.json"), "utf8"),
);

/** The weights of `make_fixtures.py`. */
export function sineModel({ config: json, shift }: Fixture): Slm {
  const config = parseSlmConfig(json);
  const params: Params = new Map();
  for (const [i, [name, shape]] of [...slmShapes(config, "")].sort(([a], [b]) => (a < b ? -1 : 1)).entries()) {
    const size = shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length: size }, (_, n) => {
      const wave = Math.sin(n * 1.7 + (i + shift) + n ** 2 * 0.013);
      if (shape.length === 2) return name.includes("embed") ? wave : wave * Math.sqrt(2 / (shape[1] as number));
      return name.endsWith("bias") ? wave / 5 : 1 + wave / 10;
    });
    params.set(name, tensor(values, [...shape]));
  }
  return { config, params };
}
