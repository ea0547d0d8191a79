import { existsSync } from "node:fs";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KdError, type ResumableTraining, type StepReport, type TrainingState } from "@kd/contract";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { MetricsRow } from "../index.ts";
import {
  type RunEvent,
  type RunOptions,
  type RunResult,
  readMetrics,
  readRun,
  runStages,
  savedEnvironment,
} from "./index.ts";
import { writing } from "./io-error.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kd-runs-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** A model of one number that forgets nothing: each step depends on all before it, through a momentum that only the state has. */
function toy() {
  const model = { weight: 1 };
  const diverged = (message: string): Error => new KdError("KD_DIVERGED", `${message}: not finite`);
  const stage = (
    name: string,
    totalSteps: number,
    factor: number,
    fails = Number.POSITIVE_INFINITY,
    how = diverged,
  ) => ({
    name,
    totalSteps,
    recordsOf: (step: number) => [`${name}-${step}a`, "</script>"],
    open: (saved?: TrainingState): ResumableTraining => {
      let [step, momentum] = [0, 0];
      if (saved !== undefined) {
        ({ step, momentum } = saved.state as { step: number; momentum: number });
        model.weight = saved.tensors.get("w")?.data[0] as number;
      }
      const reports = async function* (): AsyncGenerator<StepReport> {
        while (step < totalSteps) {
          if (step + 1 === fails) throw how(`${name}, step ${step + 1}`);
          momentum = 0.9 * momentum + factor * (model.weight - 3) + step / 100;
          model.weight = Math.fround(model.weight - 0.1 * momentum);
          step++;
          yield { step, loss: model.weight, parts: { ce: momentum }, lr: 0.1, gradNorm: 1, tokensPerSecond: 5 };
        }
      };
      return {
        reports: reports(),
        save: async () => ({
          tensors: new Map([["w", { shape: [1], data: Float32Array.of(model.weight) }]]),
          state: { step, momentum },
        }),
        dispose: () => {},
      };
    },
  });
  return { model, stage };
}

function options(folder: string, more: Partial<RunOptions> = {}): RunOptions {
  const { model, stage } = toy();
  return {
    folder,
    stages: [stage("dpt", 5, 1), stage("sft", 7, 0.5), stage("dft", 4, 2)],
    handOver: (saved) => {
      model.weight = saved.tensors.get("w")?.data[0] as number;
    },
    config: { seed: 1 },
    environment: { engine: "wasm", threads: 1 },
    checkpointEvery: 2,
    ...more,
  };
}

async function run(options: RunOptions, until: (event: RunEvent) => boolean = () => false) {
  const events: RunEvent[] = [];
  const running = runStages(options);
  for (;;) {
    const { value, done } = await running.next();
    if (done) return { events, result: value as RunResult, notices: noticesOf(events) };
    events.push(value as RunEvent);
    if (until(value as RunEvent)) {
      await running.return(undefined as never); // as a kill would, but for what `finally` does
      return { events, result: undefined, notices: noticesOf(events) };
    }
  }
}
const noticesOf = (events: readonly RunEvent[]): string[] =>
  events.flatMap((e) => (e.kind === "notice" ? [e.message] : []));
const numbers = (rows: readonly MetricsRow[]) =>
  rows.map(({ _step, stage, stage_step, ...row }) => [
    _step,
    stage,
    stage_step,
    row["train/loss"],
    row["train/loss_ce"],
  ]);
const rowsOf = async (name: string) => numbers(await readMetrics(join(root, name, "metrics.jsonl")));
const checkpoints = async (name: string) => (await readdir(join(root, name, "checkpoints"))).sort();
const resume = { start: "resume" } as const;

it("stopped after any step, it goes on with the same numbers through all stages", async () => {
  const straight = await run(options(join(root, "straight")));
  expect(straight.result).toMatchObject({ finished: true, step: 16 });
  const wanted = await rowsOf("straight");
  expect(wanted).toHaveLength(16);
  for (let at = 1; at <= 16; at++) {
    const folder = join(root, `stopped-${at}`);
    await run(options(folder), (event) => event.kind === "step" && event.row._step === at);
    await appendFile(join(folder, "metrics.jsonl"), '{"_step":99,"train'); // a line that a kill cut
    const { result } = await run(options(folder, resume));
    expect(result).toMatchObject({ finished: true, step: 16 });
    expect(await rowsOf(`stopped-${at}`)).toEqual(wanted);
  }
  expect(existsSync(join(root, "straight", "config.json"))).toBe(true);
  const summary = JSON.parse(await readFile(join(root, "straight", "summary.json"), "utf8"));
  expect(summary.stages.map((stage: { stage: string; steps: number }) => [stage.stage, stage.steps])).toEqual([
    ["dpt", 5],
    ["sft", 7],
    ["dft", 4],
  ]);
});

it("a finished run is not trained again, and its weights are handed to the model", async () => {
  const folder = join(root, "run");
  await run(options(folder));
  let handed = 0;
  const { events } = await run(options(folder, { ...resume, handOver: () => void handed++ }));
  expect(events.map((e) => (e.kind === "stage" ? e.state : e.kind))).toEqual(Array(3).fill("finished-before"));
  expect(handed).toBe(1);
  expect(await rowsOf("run")).toHaveLength(16);
});

it("keeps the newest, the best and the stages' ends", async () => {
  const scores: Record<number, number> = { 3: 9, 6: 4 };
  const evaluate = async (stage: string, step: number) => ({ "eval/x": stage === "sft" ? (scores[step] ?? 0) : 0 });
  const best = { key: "eval/x" };
  const { result } = await run(options(join(root, "run"), { evaluate, evaluateEvery: 3, best, keepLast: 1 }));
  expect(result?.best).toEqual({ score: 9, step: 8 });
  expect(await checkpoints("run")).toEqual(["step-00000005", "step-00000008", "step-00000012", "step-00000016"]);
});

it("saves and ends when it is asked to", async () => {
  const asked = new AbortController();
  const folder = join(root, "run");
  const stopped = runStages(options(folder, { signal: asked.signal }));
  let value: IteratorResult<RunEvent, RunResult> = await stopped.next();
  while (!value.done) {
    if (value.value.kind === "step" && value.value.row._step === 7) asked.abort();
    value = await stopped.next();
  }
  expect(value.value).toMatchObject({ finished: false, step: 7, checkpoint: expect.stringContaining("step-00000007") });
  await run(options(folder, resume));
  await run(options(join(root, "straight")));
  expect(await rowsOf("run")).toEqual(await rowsOf("straight"));
});

it.each([
  ["a file cut short", async (path: string) => writeFile(join(path, "tensors.safetensors"), "x")],
  [
    "other bytes",
    async (path: string) => {
      const file = join(path, "tensors.safetensors");
      const bytes = await readFile(file);
      bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
      await writeFile(file, bytes);
    },
  ],
  ["no manifest", async (path: string) => rm(join(path, "manifest.json"))],
  ["a manifest that is none", async (path: string) => writeFile(join(path, "manifest.json"), "{")],
])("falls back to the checkpoint before one with %s, and says why", async (_, damage) => {
  const folder = join(root, "run");
  await run(options(folder), (event) => event.kind === "step" && event.row._step === 11);
  await damage(join(folder, "checkpoints", "step-00000009"));
  const { notices } = await run(options(folder, resume));
  expect(notices).toEqual([
    expect.stringMatching(/^step-00000009 is damaged and was moved aside: .*(tensors\.safetensors|manifest\.json)/),
    "falling back to step-00000007",
  ]);
  await run(options(join(root, "straight")));
  expect(await rowsOf("run")).toEqual(await rowsOf("straight"));
  expect(await checkpoints("run")).toContain("step-00000009.damaged");
});

it("begins again where nothing is whole, and sweeps what a kill left", async () => {
  const folder = join(root, "run");
  await run(options(folder), (event) => event.kind === "step" && event.row._step === 4);
  await mkdir(join(folder, "checkpoints", "step-00000004.partial"));
  for (const name of await checkpoints("run"))
    await rm(join(folder, "checkpoints", name, "state.json"), { force: true });
  const { notices } = await run(options(folder, resume));
  expect(notices.at(-1)).toBe("no whole checkpoint is left: the run begins again");
  expect((await checkpoints("run")).some((name) => name.endsWith(".partial"))).toBe(false);
  expect(await rowsOf("run")).toHaveLength(16);
});

it("refuses another run's folder and leaves it as it is", async () => {
  const folder = join(root, "run");
  await run(options(folder), (event) => event.kind === "step" && event.row._step === 4);
  const before = await rowsOf("run");
  await expect(run(options(folder))).rejects.toMatchObject({
    code: "KD_CONFIG",
    message: expect.stringContaining("expected no such run"),
  });
  await expect(run(options(folder, { ...resume, config: { seed: 2 } }))).rejects.toThrow(/config\.seed 1, got 2/);
  await expect(run(options(folder, { ...resume, stages: options(folder).stages.slice(1) }))).rejects.toThrow(
    /stages\.0\.name "dpt"/,
  );
  expect(await rowsOf("run")).toEqual(before);
  const other = { environment: { engine: "cpu", threads: 1 }, versions: { kd: "2" }, commit: "c0ffee" };
  const { notices } = await run(options(folder, { ...resume, ...other }));
  expect(notices).toEqual([
    "the run began at commit unknown and goes on at c0ffee",
    "the checkpoint was made with engine wasm, now cpu; kd unknown, now 2: losses may differ in their last bits",
  ]);
  await run(options(folder, { start: "overwrite", config: { seed: 2 } }));
  expect(await savedEnvironment(folder)).toEqual({ engine: "wasm", threads: 1, node: process.versions.node });
  const mine = join(root, "mine");
  await mkdir(mine);
  await writeFile(join(mine, "thesis.tex"), "years");
  for (const start of ["new", "overwrite"] as const)
    await expect(run(options(mine, { start }))).rejects.toThrow(/expected a run's folder or none/);
  expect(await readdir(mine)).toEqual(["thesis.tex"]);
  await writeFile(join(mine, "config.json"), '{"model_type":"llava"}'); // as a folder of a model has one
  for (const start of ["new", "resume", "overwrite"] as const)
    await expect(run(options(mine, { start }))).rejects.toMatchObject({
      code: "KD_CONFIG",
      message: expect.stringMatching(/mine: expected a run's folder or none, got one whose config\.json is no run's/),
    });
  expect((await readdir(mine)).sort()).toEqual(["config.json", "thesis.tex"]);
  await expect(readRun(mine)).rejects.toMatchObject({
    code: "KD_CONFIG",
    message: expect.stringMatching(/is no run's/),
  });
});

it("goes on with other settings where they may change, and writes them down", async () => {
  const folder = join(root, "run");
  const free = { mayChange: ["output_dir", "save_steps"] };
  const before = { seed: 1, output_dir: "a", dpt: { save_steps: 2, lr: 1 } };
  await run(options(folder, { ...free, config: before }), (event) => event.kind === "step" && event.row._step === 3);
  const now = { seed: 1, output_dir: "b", dpt: { save_steps: 9, lr: 1 } };
  await expect(run(options(folder, { ...resume, config: now }))).rejects.toThrow(/config\.output_dir "a", got "b"/);
  await expect(
    run(options(folder, { ...resume, ...free, config: { ...now, dpt: { save_steps: 9, lr: 2 } } })),
  ).rejects.toThrow(/expected config\.dpt\.lr 1, got 2;/);
  await run(options(folder, { ...resume, ...free, config: now }));
  expect(await rowsOf("run")).toHaveLength(16);
  expect(JSON.parse(await readFile(join(folder, "config.json"), "utf8")).config).toEqual(now);
});

it("two at once in a folder: one waits for the other, and no step is lost", async () => {
  const folder = join(root, "run");
  const both = await Promise.all([run(options(folder, resume)), run(options(folder, resume))]);
  const steps = both.map(({ events }) => events.filter((e) => e.kind === "step").length);
  expect(steps.sort((a, b) => a - b)).toEqual([0, 16]);
  expect(await rowsOf("run")).toHaveLength(16);
});

it("what summary.json and diverged.json say ends when the run goes on", async () => {
  const folder = join(root, "run");
  await run(options(folder));
  await writeFile(join(folder, "diverged.json"), "{}");
  await run(options(folder, { ...resume, from: "dft" }), (event) => event.kind === "step");
  for (const name of ["summary.json", "diverged.json"]) expect(existsSync(join(folder, name))).toBe(false);
});

it("begins a stage again with the weights of the one before it", async () => {
  const folder = join(root, "run");
  await run(options(folder));
  const straight = await rowsOf("run");
  const { events } = await run(options(folder, { ...resume, from: "sft" }));
  expect(events.filter((e) => e.kind === "step")).toHaveLength(11);
  expect(await rowsOf("run")).toEqual(straight);
  await rm(join(folder, "checkpoints", "step-00000005"), { recursive: true });
  await expect(run(options(folder, { ...resume, from: "sft" }))).rejects.toThrow(/weights of dpt, which has not ended/);
  await expect(run(options(folder, { ...resume, from: "pt" }))).rejects.toMatchObject({ code: "KD_CONFIG" });
});

it("takes shared first stages from another run", async () => {
  await run(options(join(root, "first")));
  const other = options(join(root, "second"));
  const stages = [
    ...other.stages.slice(0, 2),
    { ...(other.stages[1] as (typeof other.stages)[number]), name: "sft-2" },
  ];
  const fork = { folder: join(root, "first"), stage: "sft" };
  const { events } = await run({ ...other, stages, fork });
  expect(events.filter((e) => e.kind === "step")).toHaveLength(7);
  expect((await rowsOf("second")).slice(0, 12)).toEqual((await rowsOf("first")).slice(0, 12));
  const third = options(join(root, "third"));
  await expect(run({ ...third, stages: third.stages.slice(1), fork })).rejects.toMatchObject({ code: "KD_CONFIG" });
});

it("writes down the records of a step that diverged", async () => {
  const folder = join(root, "run");
  const { stage } = toy();
  const diverging = options(folder, { stages: [stage("dpt", 5, 1, 4)] });
  await expect(run(diverging)).rejects.toMatchObject({
    code: "KD_DIVERGED",
    message: expect.stringContaining("dpt-4a"),
  });
  const { stage: name, step, records } = JSON.parse(await readFile(join(folder, "diverged.json"), "utf8"));
  expect([name, step, records]).toEqual(["dpt", 4, ["dpt-4a", "</script>"]]);
  await expect(run({ ...diverging, start: "resume" })).rejects.toThrow(/dpt-4a/); // saved and resumed after step 3
  expect(await checkpoints("run")).toEqual(["step-00000002", "step-00000003"]);
});

const broken = (message: string): Error => new KdError("KD_DATA", `${message}: moon.png is broken`);
const unknown = (message: string): Error => new TypeError(message);

it.each([
  ["data that fail", broken],
  ["an error that nobody foresaw", unknown],
])("saves before it fails for %s, and goes on with the same numbers once it is mended", async (_, how) => {
  await run(options(join(root, "straight")));
  for (let fails = 1; fails <= 7; fails++) {
    const name = `failed-${fails}`;
    const folder = join(root, name);
    const failing = options(folder);
    const sft = failing.stages[1] as (typeof failing.stages)[number];
    const open = async (saved?: TrainingState): Promise<ResumableTraining> => {
      const training = await sft.open(saved);
      const reports = async function* () {
        if (fails === 1) throw how("sft, step 1");
        for await (const report of training.reports) {
          yield report;
          if (report.step + 1 === fails) throw how(`sft, step ${fails}`);
        }
      };
      return { ...training, reports: reports() };
    };
    const stages = failing.stages.map((stage) => (stage === sft ? { ...stage, open } : stage));
    const events: RunEvent[] = [];
    const ends = async () => {
      for await (const event of runStages({ ...failing, stages })) events.push(event);
    };
    const last = join(folder, "checkpoints", `step-${String(4 + fails).padStart(8, "0")}`);
    const place = how === broken ? `: moon.png is broken; step ${4 + fails} is saved in ${last}` : "";
    const error = await ends().catch((error) => error);
    expect(error).toBeInstanceOf(how("").constructor);
    expect(error.message).toBe(`sft, step ${fails}${place}`);
    expect(events.findLast((event) => event.kind === "checkpoint")).toMatchObject({ path: last });
    const { events: after } = await run(options(folder, resume));
    expect(after.filter((event) => event.kind === "step")).toHaveLength(12 - fails);
    expect(await rowsOf(name)).toEqual(await rowsOf("straight"));
  }
});

it("fails for the first reason where that cannot be saved, and does not try twice", async () => {
  const folder = join(root, "run");
  const { stage } = toy();
  let tried = 0;
  const saving = (dpt: RunOptions["stages"][number], save: ResumableTraining["save"]) => ({
    ...dpt,
    open: async () => ({
      ...(await dpt.open()),
      save: () => {
        tried++;
        return save();
      },
    }),
  });
  const full = async () => {
    throw new KdError("KD_IO", "the disk is full");
  };
  const notFinite = async () => ({
    tensors: new Map([["w", { shape: [2], data: Float32Array.of(1, Number.NaN) }]]),
    state: {},
  });
  const failing = stage("dpt", 5, 1, 4, broken);
  const none = "the disk is full; nothing was saved before";
  const often = { checkpointEvery: 9, start: "overwrite" } as const;
  await expect(run(options(folder, { ...often, stages: [saving(failing, full)] }))).rejects.toMatchObject({
    code: "KD_DATA",
    message: `dpt, step 4: moon.png is broken; step 3 could not be saved: ${none}`,
  });
  expect(tried).toBe(1);
  await expect(run(options(folder, { ...often, stages: [saving(failing, notFinite)] }))).rejects.toThrow(
    /moon\.png is broken; step 3 could not be saved: w: expected finite numbers/,
  );
  expect(await checkpoints("run")).toEqual([]);
  tried = 0;
  const regular = options(folder, { ...often, checkpointEvery: 2, stages: [saving(stage("dpt", 5, 1), full)] });
  await expect(run(regular)).rejects.toMatchObject({ code: "KD_IO", message: none });
  expect(tried).toBe(1);
  const first = options(folder, { ...often, stages: [stage("dpt", 5, 1, 1, broken)] });
  await expect(run(first)).rejects.toMatchObject({ message: "dpt, step 1: moon.png is broken" }); // nothing to save
});

it("saves each stage at its own steps", async () => {
  const { stages } = options("");
  const saved: number[] = [];
  const own = stages.map((stage, i) => (i === 1 ? { ...stage, checkpointEvery: 3 } : stage));
  const { events } = await run(options(join(root, "run"), { stages: own }));
  for (const [i, event] of events.entries())
    if (event.kind === "checkpoint") saved.push((events[i - 1] as RunEvent & { kind: "step" }).row._step);
  expect(saved).toEqual([2, 4, 5, 8, 11, 12, 14, 16]); // of 5, 7 and 4 steps
});

it("names a stage that ends early and a place that cannot be written", async () => {
  const short = toy().stage("dpt", 3, 1);
  const early = options(join(root, "run"), { stages: [{ ...short, totalSteps: 9 }] });
  await expect(run(early)).rejects.toMatchObject({
    code: "KD_DATA",
    message: `dpt: expected 9 steps, got 3; give it more data or fewer steps; step 3 is saved in ${join(root, "run", "checkpoints", "step-00000003")}`,
  });
  await writeFile(join(root, "file"), "");
  await expect(run(options(join(root, "file", "run")))).rejects.toMatchObject({
    code: "KD_IO",
    message: expect.stringContaining("ENOTDIR"),
  });
  const nowhere = writing("there", () => writeFile(join(root, "none", "file"), ""));
  await expect(nowhere).rejects.toMatchObject({
    code: "KD_IO",
    message: expect.stringMatching(/choose another folder$/),
  });
});

it("saves the step whose evaluation fails, with its row", async () => {
  const folder = join(root, "unmeasured");
  const failing = (fails: boolean): RunOptions => ({
    ...options(folder),
    evaluate: async (_, step) => {
      if (fails && step === 4) throw new KdError("KD_SHAPE", "scores: cannot be");
      return { "eval/score": step };
    },
    evaluateEvery: 2,
    checkpointEvery: 100,
  });
  await expect(run(failing(true))).rejects.toMatchObject({
    code: "KD_SHAPE",
    message: expect.stringMatching(/scores: cannot be; step 4 is saved in /),
  });
  expect(await readMetrics(join(folder, "metrics.jsonl"))).toHaveLength(4);
  const resumed: number[] = [];
  await run({ ...failing(false), start: "resume" }, (event) => {
    if (event.kind === "step") resumed.push(event.row._step);
    return false;
  });
  expect(resumed[0]).toBe(5);
});
