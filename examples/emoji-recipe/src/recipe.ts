#!/usr/bin/env node
// From pictures to a distilled student: trains control and student, evaluates, writes summary, report and model folder.
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { formatDuration } from "@kd/runs";
import { useBackend } from "@kd/tensor-core";
import { equalCpuSteps } from "./recipe/equal-cpu-steps.ts";
import { evaluateCells } from "./recipe/evaluate-cells.ts";
import { blindFloor, majorityFloor } from "./recipe/floors.ts";
import { writeJson } from "./recipe/json-file.ts";
import { openMaterials } from "./recipe/materials.ts";
import { openRecipeRun } from "./recipe/open-recipe-run.ts";
import { recipeOptions } from "./recipe/recipe-options.ts";
import { runJobs } from "./recipe/run-jobs.ts";
import { saveStudent, trainedModel } from "./recipe/save-student.ts";
import { type Chain, CONTROL, chainOf, equalCpuChain, groupByFirstStage, STUDENT } from "./recipe/schemes.ts";
import { seedFolder, summarise, summaryTable } from "./recipe/summary.ts";
import type { Job } from "./recipe/worker.ts";
import { writeReport } from "./recipe/write-report.ts";
import { main } from "./train/main.ts";

const RUNS = fileURLToPath(new URL("../../../runs", import.meta.url));

await main(async () => {
  const started = performance.now();
  const options = recipeOptions();
  const { seeds, everything, quick, budget, blas, cacheTeacher, from } = options;
  const chains = [...options.chains];
  const folder = join(RUNS, options.name);
  await openRecipeRun(folder, options);

  const backend = await useBackend({ engine: "wasm", ...(blas ? {} : { blas: false as const }) });
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
    blas,
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
  const summary = await summarise({ folder, seeds, chains, teacher, floors, seconds, quick });
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
