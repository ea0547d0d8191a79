#!/usr/bin/env node
// From pictures to a distilled student: trains control and student, evaluates, writes summary, report and model folder.
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { KdError } from "@kd/contract";
import { formatDuration } from "@kd/runs";
import type { DistillWeights } from "@kd/stages";
import { useBackend } from "@kd/tensor-core";
import { evaluateCells } from "./recipe/evaluate-cells.ts";
import { blindFloor, majorityFloor } from "./recipe/floors.ts";
import { readJson, writeJson } from "./recipe/json-file.ts";
import { openMaterials } from "./recipe/materials.ts";
import { RELATION_FORMS, relationWeights } from "./recipe/relation-forms.ts";
import { runJobs } from "./recipe/run-jobs.ts";
import { saveStudent, trainedModel } from "./recipe/save-student.ts";
import {
  ALL_SCHEMES,
  type Budget,
  type Chain,
  CONTROL,
  chainOf,
  equalCpuChain,
  FULL_BUDGET,
  groupByFirstStage,
  QUICK_BUDGET,
  STUDENT,
} from "./recipe/schemes.ts";
import { seedFolder, stageCpuSeconds, summarise, summaryTable } from "./recipe/summary.ts";
import type { Job } from "./recipe/worker.ts";
import { writeReport } from "./recipe/write-report.ts";
import { main } from "./train/main.ts";
import { parseOptions, UsageError, wholeNumber } from "./train/options.ts";

const USAGE = `npm run recipe -- [--name NAME] [--seeds N] [--schemes all] [--quick] [--last-steps N] [--no-blas]
                      [--rdist FORM] [--gamma N] [--no-kl] [--cache-teacher] [--resume [--from STAGE] | --overwrite]

  --name NAME     folder under runs/; the date and time by default
  --seeds N       repeat with N seeds and report mean ± deviation; 1 by default
  --schemes all   every order of the stages, and the control at the student's CPU time
  --quick         a taste of a minute, labelled as such
  --last-steps N  steps of the third stage; 600 by default
  --no-blas       use no system BLAS even where there is one
  --rdist FORM    relation that distils: ${Object.keys(RELATION_FORMS).join(", ")}; raw by default
  --gamma N       its weight; 0.5, the paper's, by default
  --no-kl         distil the relation alone
  --cache-teacher keep the teacher's rows in .cache/emoji, and take what is there: a run of the same seed distils without it
  --resume        go on with runs/NAME
  --from STAGE    train again from this stage on, as dpt-sft; what it builds on is kept
  --overwrite     start runs/NAME again`;

const RUNS = fileURLToPath(new URL("../../../runs", import.meta.url));

await main(async () => {
  const started = performance.now();
  const options = parseOptions(USAGE, {
    strings: ["name", "seeds", "schemes", "last-steps", "rdist", "gamma", "from"],
    flags: ["quick", "no-blas", "no-kl", "cache-teacher", "resume", "overwrite"],
  });
  if (options.schemes !== undefined && options.schemes !== "all")
    throw new UsageError(`--schemes: expected "all", got "${options.schemes}"\n\n${USAGE}`);
  const weights = distillWeights(options);
  const name = options.name ?? new Date().toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "");
  if (!/^[\w.-]+$/.test(name) || name.startsWith("."))
    throw new UsageError(`--name: expected letters, digits, "-", "_" and ".", got "${name}"`);
  const folder = join(RUNS, name);
  const seeds = Array.from({ length: wholeNumber("seeds", options.seeds ?? "1") }, (_, i) => i + 1);
  const everything = options.schemes === "all";
  const basic = options.quick ? QUICK_BUDGET : FULL_BUDGET;
  const budget = { ...basic, third: wholeNumber("last-steps", options["last-steps"] ?? String(basic.third)) };
  const chains = (everything ? ALL_SCHEMES : [CONTROL, STUDENT]).map((scheme) => chainOf(scheme, budget, weights));
  const { from } = options;
  const stageNames = chains.flatMap((chain) => chain.stages.map(({ prefix }) => prefix));
  if (from !== undefined && !(options.resume && stageNames.includes(from)))
    throw new UsageError(`--from: expected --resume and one of ${[...new Set(stageNames)].join(", ")}, got "${from}"`);
  const cacheTeacher = options["cache-teacher"];
  const config = { seeds: seeds.length, chains, budget, quick: options.quick, ...(cacheTeacher && { cacheTeacher }) };
  await openRun(folder, { config, resume: options.resume, overwrite: options.overwrite });
  await writeFile(join(folder, "command.txt"), `npm run recipe -- ${process.argv.slice(2).join(" ")}\n`);

  const backend = await useBackend({ engine: "wasm", ...(options["no-blas"] ? { blas: false as const } : {}) });
  const { provider, library } = backend.gemm;
  process.stderr.write(
    `engine ${backend.engine}, matrix products by ${library ?? `${provider}: a system BLAS (OpenBLAS, MKL) makes the recipe about 1.4 times as fast`}\n`,
  );
  const materials = await openMaterials({
    everyNth: budget.everyNth,
    onProgress: (what, done, total) => {
      if (process.stderr.isTTY === true)
        process.stderr.write(`\r\x1b[K${what} ${done}/${total}${done === total ? "\n" : ""}`);
      else if (done === total) process.stderr.write(`${what} ${total}\n`);
    },
  });
  const teacher = await evaluateCells(materials.teacher, materials);

  const parallel = Math.max(1, Math.min(2, availableParallelism()));
  const job = (seed: number, group: readonly Chain[], blind: boolean): Job => ({
    chains: group,
    seed,
    folder: seedFolder(folder, seed),
    budget,
    blind,
    blas: !options["no-blas"],
    cacheTeacher,
    from,
  });
  const isControl = (group: readonly Chain[]): boolean => group.some(({ name }) => name === CONTROL);
  const jobs = seeds.flatMap((seed) =>
    groupByFirstStage(chains)
      // the student's first: it takes longest; beside it another process trains control and blind floor
      .sort((a, b) => Number(isControl(a)) - Number(isControl(b)))
      .map((group) => job(seed, group, seed === 1 && isControl(group))),
  );
  await runJobs(jobs, parallel);
  if (everything) {
    const equal = equalCpuChain(budget, await equalCpuSteps(folder, seeds, budget));
    chains.push(equal);
    await runJobs(
      seeds.map((seed) => job(seed, [equal], false)),
      parallel,
    );
  }

  const floors = {
    majority: majorityFloor(materials.rows, materials.questions),
    blind: await blindFloor({ folder: seedFolder(folder, 1), budget, materials }),
  };
  const seconds = Math.round((performance.now() - started) / 1000);
  const summary = await summarise({ folder, seeds, chains, teacher, floors, seconds, quick: options.quick });
  const trained = { text: materials.text, folder, seed: 1 };
  const student = await trainedModel({ ...trained, chain: chainOf(STUDENT, budget) });
  const control = await trainedModel({ ...trained, chain: chainOf(CONTROL, budget) });
  await saveStudent(student, { folder: join(folder, "student"), text: materials.text, summary });
  await writeReport({
    folder,
    summary,
    seeds,
    chains,
    budget,
    backend,
    materials,
    models: { teacher: materials.teacher, student, control },
  });
  await writeJson(join(folder, "summary.json"), summary);

  process.stdout.write(`\n${summaryTable(summary)}\n\n`);
  const shown = relative(process.cwd(), folder) || folder;
  process.stdout.write(
    `${formatDuration(seconds * 1000)} | report ${join(shown, "report.html")} | model ${join(shown, "student")}\n`,
  );
});

/** Steps of the control's last stage with which it has had as much CPU time as the student, by the times of this very run. */
async function equalCpuSteps(folder: string, seeds: readonly number[], budget: Budget): Promise<number> {
  const [student, control] = [chainOf(STUDENT, budget), chainOf(CONTROL, budget)];
  const mean = async (chain: Chain, count: number): Promise<number> => {
    const names = chain.stages.slice(0, count).map(({ prefix }) => prefix);
    const times = seeds.flatMap((seed) => names.map((name) => stageCpuSeconds(seedFolder(folder, seed), chain, name)));
    return (await Promise.all(times)).reduce((sum, x) => sum + x, 0) / seeds.length;
  };
  const [before, all] = [await mean(control, 2), await mean(control, 3)];
  const left = (await mean(student, 3)) - before;
  return Math.max(1, Math.round((budget.third * left) / (all - before)));
}

/** Undefined for the paper's. */
function distillWeights(options: {
  readonly rdist?: string;
  readonly gamma?: string;
  readonly "no-kl": boolean;
}): DistillWeights | undefined {
  const { rdist = "raw", gamma = "0.5", "no-kl": noKl } = options;
  if (options.rdist === undefined && options.gamma === undefined && !noKl) return undefined;
  if (!Object.hasOwn(RELATION_FORMS, rdist))
    throw new UsageError(
      `--rdist: expected one of ${Object.keys(RELATION_FORMS).join(", ")}, got "${rdist}"\n\n${USAGE}`,
    );
  if (!(Number(gamma) >= 0)) throw new UsageError(`--gamma: expected a number of at least 0, got "${gamma}"`);
  return relationWeights(rdist, Number(gamma), { kl: !noKl });
}

interface OpenRun {
  readonly config: object;
  readonly resume: boolean;
  readonly overwrite: boolean;
}

/** Refuses a folder that holds another run; an existing one needs --resume or --overwrite. */
async function openRun(folder: string, { config, resume, overwrite }: OpenRun): Promise<void> {
  const file = join(folder, "config.json");
  if (overwrite) await rm(folder, { recursive: true, force: true });
  if (existsSync(folder)) {
    if (!resume)
      throw new KdError(
        "KD_CONFIG",
        `${folder} exists; add --resume to go on, --overwrite to start again or --name for another`,
      );
    const before = existsSync(file) ? await readJson(file) : undefined;
    if (JSON.stringify(before) !== JSON.stringify(config))
      throw new KdError(
        "KD_CONFIG",
        `${file}: the run was started with other options; repeat those, or choose another --name`,
      );
    return;
  }
  await mkdir(folder, { recursive: true });
  await writeJson(file, config);
}
