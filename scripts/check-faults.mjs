// Proves that a run survives: kills a tiny three-stage run (kill -9) at seeded random moments in each stage, in the middle of writing checkpoints
// too, and resumes it; then Ctrl-C, a full disk and a read-only one. All losses must be those of a run that nothing happened to. Needs a build.
//   node scripts/bootstrap.mjs --build node scripts/check-faults.mjs [--kills N] [--seed N]    N kills in each stage, 50 by default
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const load = (file) => import(join(root, "packages", file));
const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "50" },
    seed: { type: "string", default: "1" },
    child: { type: "string" },
  },
});
const STAGES = ["dpt", "sft", "dft"];
const kills = Number(values.kills);
const STEPS = Math.max(24, 5 * kills); // of a stage
const EVERY = 3; // steps between two checkpoints

if (values.child !== undefined) await train(values.child);
else await check();

/** The child: trains, or goes on, and says after each step what it did. */
async function train(folder) {
  const { createRng, rngFromState, useBackend } = await load("tensor-core/dist/index.js");
  const { presets, resumable, restoreWeights, stages, trainableNames, trainStage } = await load("stages/dist/index.js");
  const { runStages } = await load("runs/dist/node/index.js");
  const { loadLlava } = await load("mllm/dist/node/index.js");
  await useBackend({ engine: "wasm", blas: false, threads: 1 });
  const golden = (name) => loadLlava(join(root, "goldens/data/training", name));
  const [student, teacher] = [await golden("student_init"), await golden("teacher")];
  const stop = new AbortController();
  process.on("SIGINT", () => (stop.signal.aborted ? process.exit(131) : stop.abort()));
  const all = trainableNames(stages.dft, student);
  const stage = (name) => ({
    name,
    totalSteps: STEPS,
    recordsOf: (step) => [`${name}-${step}`],
    open: (saved) => {
      let rng = createRng(name.charCodeAt(1)); // the data come from a stream that must be found as it was
      return resumable({
        params: student.params,
        trainable: trainableNames(stages[name], student),
        weights: all,
        totalSteps: STEPS,
        step: () => [batch(rng)],
        train: (steps, state) =>
          trainStage({
            stage: stages[name],
            student,
            teacher,
            steps,
            state,
            totalSteps: STEPS,
            learningRate: 2e-3,
            weights: presets.paper,
            updateNorm: true,
          }),
        keeps: { data: { save: () => rng.state(), restore: (words) => (rng = rngFromState(words)) } },
        ...(saved === undefined ? {} : { saved }),
      });
    },
  });
  const running = runStages({
    folder,
    stages: STAGES.map(stage),
    handOver: (saved) => restoreWeights(saved, student.params),
    config: { seed: 1, steps: STEPS },
    environment: { engine: "wasm", products: "wasm", threads: 1 },
    start: "resume",
    checkpointEvery: EVERY,
    evaluate: async (_, step) => ({ "eval/score": Math.sin(step) }),
    evaluateEvery: 7,
    best: { key: "eval/score" },
    signal: stop.signal,
  });
  try {
    let next = await running.next();
    for (; !next.done; next = await running.next()) {
      const { kind, row, path, message } = next.value;
      if (kind === "step") process.stdout.write(`step ${row._step}\n`);
      if (kind === "checkpoint") process.stdout.write(`saved ${Number(path.slice(-8))}\n`);
      if (kind === "notice") process.stdout.write(`notice ${message}\n`);
    }
    process.exit(next.value.finished ? 0 : 130);
  } catch (error) {
    process.stderr.write(`${error.code}: ${error.message}\n`);
    process.exit(1);
  }

  function batch(rng) {
    const visual = 15;
    const length = visual + 4 + rng.int(6);
    const ids = Int32Array.from({ length }, (_, i) => (i < visual ? 93 : rng.int(90)));
    return {
      inputIds: ids,
      labels: ids.map((id, i) => (i < visual + 2 ? -100 : id)),
      attentionMask: new Uint8Array(length).fill(1),
      shape: [1, length],
      imageSpans: [{ sample: 0, start: 0, length: visual, image: 0 }],
      images: { kind: "pixels", data: Float32Array.from({ length: 768 }, rng.normal), shape: [1, 16, 16, 3] },
    };
  }
}

/** Starts the child on a folder; `watch` sees each line and may act on the process. */
function start(folder, watch = () => {}) {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "--child", folder, "--kills", values.kills], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines = [];
  let [rest, errors] = ["", ""];
  child.stdout.on("data", (data) => {
    const all = (rest + data).split("\n");
    rest = all.pop();
    for (const line of all) {
      lines.push(line);
      watch(line, child);
    }
  });
  child.stderr.on("data", (data) => (errors += data));
  return new Promise((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, lines, errors }));
  });
}

async function check() {
  const { createRng } = await load("tensor-core/dist/index.js");
  const { checkpointSteps, checkpointPath, readCheckpoint, readMetrics } = await load("runs/dist/node/index.js");
  const work = mkdtempSync(join(tmpdir(), "kd-faults-"));
  const rng = createRng(Number(values.seed));
  const fail = (text) => {
    console.error(`check-faults: ${text}`);
    process.exitCode = 1;
  };
  const numbers = async (folder) =>
    (await readMetrics(join(folder, "metrics.jsonl"))).map((row) =>
      JSON.stringify(Object.entries(row).filter(([key]) => !/^(_timestamp|perf)/.test(key))),
    );
  const weights = async (folder) => {
    const { training } = await readCheckpoint(checkpointPath(join(folder, "checkpoints"), STAGES.length * STEPS));
    return JSON.stringify([training.state, [...training.tensors].map(([name, { data }]) => [name, [...data]])]);
  };
  try {
    const straight = join(work, "straight");
    if ((await start(straight)).code !== 0) return fail("the straight run failed");
    const [wanted, end] = [await numbers(straight), await weights(straight)];
    const differing = async (folder) => {
      const got = await numbers(folder);
      return wanted.filter((row, i) => row !== got[i]).length + Math.abs(got.length - wanted.length);
    };

    const folder = join(work, "killed");
    const checkpoints = join(folder, "checkpoints");
    let [done, writing, unreadable, lost, early] = [0, 0, 0, 0, 0];
    for (const stage of STAGES.keys()) {
      // different steps of the stage, in order; every other kill waits until a checkpoint is being written
      const steps = new Set();
      while (steps.size < kills) steps.add(1 + rng.int(STEPS - EVERY - 1));
      for (const [i, step] of [...steps].sort((a, b) => a - b).entries()) {
        const [target, wait] = [stage * STEPS + step, rng.next()];
        let armed = true;
        const { signal, lines } = await start(folder, (line, child) => {
          if (!armed || !line.startsWith("step ") || Number(line.slice(5)) < target) return;
          armed = false;
          const kill = () => child.kill("SIGKILL");
          const whenWriting = () => {
            const found = existsSync(checkpoints) && readdirSync(checkpoints).some((name) => name.endsWith(".partial"));
            if (found) setTimeout(kill, 3 * wait);
            else if (child.exitCode === null) setImmediate(whenWriting);
          };
          if (i % 2 === 0) setTimeout(kill, 12 * wait);
          else whenWriting();
        });
        if (signal !== "SIGKILL") early++;
        done++;
        const names = existsSync(checkpoints) ? readdirSync(checkpoints) : [];
        if (names.some((name) => /partial|removed/.test(name))) writing++;
        for (const at of await checkpointSteps(checkpoints))
          await readCheckpoint(checkpointPath(checkpoints, at)).catch((error) => {
            unreadable++;
            fail(`step ${target}: ${error.message}`);
          });
        const announced = Math.max(
          0,
          ...lines.filter((line) => line.startsWith("saved ")).map((line) => Number(line.slice(6))),
        );
        const latest = (await checkpointSteps(checkpoints)).at(-1) ?? 0;
        if (latest < announced) {
          lost += announced - latest;
          fail(`step ${target}: checkpoint ${announced} was announced, the latest is ${latest}`);
        }
        if (lines.some((line) => line.startsWith("notice ")))
          fail(`step ${target}: ${lines.find((line) => line.startsWith("notice "))}`);
      }
    }
    if ((await start(folder)).code !== 0) fail("the run that was killed did not end");
    const different = await differing(folder);
    if (different > 0) fail(`${different} steps differ`);
    if ((await weights(folder)) !== end) fail("the last checkpoint differs");
    console.log(
      `check-faults: ${done} kills (${writing} in the middle of a checkpoint's write or removal, ${early} after the end), ${lost} lost steps, ${different} differing steps of ${wanted.length}, ${unreadable} unreadable checkpoints`,
    );

    const asked = join(work, "asked");
    const first = await start(asked, (line, child) => line === `step ${STEPS + 4}` && child.kill("SIGINT"));
    const saved = (await checkpointSteps(join(asked, "checkpoints"))).at(-1) ?? 0;
    if (first.code !== 130 || !first.lines.includes(`saved ${saved}`) || saved < STEPS + 4)
      fail(`Ctrl-C: ended with ${first.code} after step ${saved}`);
    await start(asked);
    if ((await differing(asked)) > 0) fail("Ctrl-C: the resumed run differs");
    else console.log(`check-faults: Ctrl-C saved after step ${saved}, and the resumed run has the same numbers`);

    await damaged();
    await fullDisk();

    /** A byte of the newest checkpoint changes: the run falls back to the one before it and says so. */
    async function damaged() {
      const target = join(work, "damaged");
      await start(target, (line, child) => line === `saved ${STEPS + 6}` && child.kill("SIGKILL"));
      const newest = (await checkpointSteps(join(target, "checkpoints"))).at(-1);
      const file = join(checkpointPath(join(target, "checkpoints"), newest), "tensors.safetensors");
      const bytes = readFileSync(file);
      bytes[bytes.length >> 1] ^= 1;
      writeFileSync(file, bytes);
      const { lines, code } = await start(target);
      const notices = lines.filter((line) => line.startsWith("notice "));
      if (code !== 0 || notices.length !== 2 || (await differing(target)) > 0)
        fail(`damage: ${code}, ${notices.join("; ")}`);
      else
        console.log(
          `check-faults: damage: ${notices.map((line) => line.slice(7).replaceAll(work, "…")).join("; ")}; same numbers`,
        );
    }

    /** A disk that fills up, and one that may not be written; both need a mount of our own. */
    async function fullDisk() {
      const disk = mkdtempSync(join(work, "disk-"));
      try {
        execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], { stdio: "ignore" });
      } catch {
        console.log("check-faults: skipped the full disk and the read-only one: no permission to mount a disk here");
        return;
      }
      try {
        const [target, ballast] = [join(disk, "run"), join(disk, "ballast")];
        const full = await start(target, (line) => {
          if (line !== `saved ${EVERY * 2}`) return;
          try {
            for (let i = 0; ; i++) writeFileSync(`${ballast}-${i}`, Buffer.alloc(2 ** 16));
          } catch {} // full
        });
        if (full.code !== 1 || !/^KD_IO: .*ENOSPC: the disk is full/.test(full.errors))
          return fail(`full disk: ended with ${full.code}: ${full.errors}`);
        for (const at of await checkpointSteps(join(target, "checkpoints")))
          await readCheckpoint(checkpointPath(join(target, "checkpoints"), at));
        console.log(`check-faults: full disk: ${full.errors.trim().replaceAll(work, "…")}`);
        execFileSync("mount", ["-o", "remount,ro", disk]);
        const before = statSync(join(target, "metrics.jsonl")).mtimeMs;
        const locked = await start(target);
        const touched = statSync(join(target, "metrics.jsonl")).mtimeMs !== before;
        execFileSync("mount", ["-o", "remount,rw", disk]);
        if (locked.code !== 1 || !/^KD_IO: .*EROFS/.test(locked.errors) || touched)
          return fail(`read-only: ended with ${locked.code}: ${locked.errors}`);
        console.log(`check-faults: read-only: ${locked.errors.trim().replaceAll(work, "…")}`);
        for (const name of readdirSync(disk)) if (name.startsWith("ballast")) rmSync(join(disk, name));
        const resumed = await start(target);
        if (resumed.code !== 0 || (await differing(target)) > 0)
          return fail(`full disk: the resumed run differs: ${resumed.errors}`);
        console.log("check-faults: with room again, the resumed run has the same numbers");
      } finally {
        execFileSync("umount", [disk]);
      }
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  if (process.exitCode !== 1) console.log("check-faults: passed");
}
