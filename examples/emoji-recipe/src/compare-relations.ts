#!/usr/bin/env node
// What each form of RDist does after the same PT-SFT: alone and beside both KLs. Prints a Markdown table; resumable, one process.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readMetrics } from "@kd/runs/node";
import { useBackend } from "@kd/tensor-core";
import { HEADLINE } from "./recipe/evaluate-cells.ts";
import { readJson } from "./recipe/json-file.ts";
import { openMaterials } from "./recipe/materials.ts";
import { relationWeights } from "./recipe/relation-forms.ts";
import { type Chain, chainOf, FULL_BUDGET, runFolder } from "./recipe/schemes.ts";
import { seedFolder } from "./recipe/summary.ts";
import { type ChainResult, trainChains } from "./recipe/train-chains.ts";
import { main } from "./train/main.ts";
import { parseOptions, UsageError, wholeNumber } from "./train/options.ts";

const USAGE = `node examples/emoji-recipe/dist/compare-relations.js [--seeds N] [--gamma N] [--only TEXT]

  --seeds N     1 by default
  --gamma N     RDist's weight but in the paper's own row; 5 by default
  --only TEXT   rows whose name has this text alone, and the control`;

const FOLDER = fileURLToPath(new URL("../../../runs/relations", import.meta.url));
const ALONE = ["raw", "normalised", "centred", "centred-normalised", "double-centred", "hidden", "hidden-centred"];
const WITH_KL = ["centred", "double-centred", "hidden-centred"];

await main(async () => {
  const {
    seeds = "1",
    only = "",
    gamma = "5",
  } = parseOptions(USAGE, { strings: ["seeds", "gamma", "only"], flags: [] });
  const weight = Number(gamma);
  if (!(weight >= 0)) throw new UsageError(`--gamma: expected a number of at least 0, got "${gamma}"`);
  await useBackend({ engine: "wasm", threads: 1 });
  const materials = await openMaterials({ everyNth: 1 });
  const distilled = (name: string, form: string, gamma: number, kl: boolean): Chain => {
    const { stages } = chainOf("PT-SFT-DFT", FULL_BUDGET, relationWeights(form, gamma, { kl }));
    return { name, stages: stages.map((s, i) => (i < 2 ? s : { ...s, prefix: `pt-sft-dft ${name}` })) };
  };
  const all = [
    chainOf("PT-SFT-SFT", FULL_BUDGET),
    ...ALONE.map((form) => distilled(`${form}, γ ${weight}`, form, weight, false)),
    distilled("both KLs", "raw", 0, true),
    distilled("both KLs, raw, γ 0.5", "raw", 0.5, true),
    ...WITH_KL.map((form) => distilled(`both KLs, ${form}, γ ${weight}`, form, weight, true)),
  ];
  const chains = all.filter(({ name }, i) => i === 0 || name.includes(only));
  const numbers = Array.from({ length: wholeNumber("seeds", seeds) }, (_, i) => i + 1);
  for (const seed of numbers)
    await trainChains({
      chains,
      seed,
      folder: seedFolder(FOLDER, seed),
      learningRate: FULL_BUDGET.learningRate,
      materials,
    });
  const lines = chains.map(async (chain) => {
    const cells = await Promise.all(
      numbers.map(async (seed) => {
        const folder = runFolder(seedFolder(FOLDER, seed), chain);
        const { macro, tasks } = (await readJson<ChainResult>(join(folder, "result.json"))).cells[HEADLINE] ?? {};
        const steps = await readMetrics(join(folder, "metrics.jsonl"));
        const rdist = steps.slice(-50).reduce((sum, row) => sum + Number(row["train/loss_rdist"] ?? 0), 0) / 50;
        const shown = (x: number | undefined) => (x ?? Number.NaN).toFixed(1);
        return [shown(macro), shown(tasks?.name), shown(tasks?.kind), shown(tasks?.presence), rdist.toFixed(3)];
      }),
    );
    const columns = ["macro", "name", "kind", "presence", "rdist"].map((_, i) => cells.map((c) => c[i]).join(", "));
    return `| ${[chain.name, ...columns].join(" | ")} |`;
  });
  process.stdout.write(
    `| third stage | macro | name | kind | presence | RDist, last 50 steps |\n|---|---|---|---|---|---|\n${(await Promise.all(lines)).join("\n")}\n`,
  );
});
