import { spawn, spawnSync } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeFolders } from "./folders.ts";
import { BIN, ENVIRONMENT, kd, kdHere } from "./kd.ts";

let home: string;
const at = (...names: string[]): string => join(home, ...names);
const train = (folder: string, ...more: string[]): string[] => {
  const short = ["--stages", "sft", "--max-steps", "6", "--save-steps", "2"];
  return ["train", at("train.json"), "--output-dir", at(folder), ...short, ...more];
};
const losses = async (folder: string): Promise<unknown[]> =>
  (await readFile(at(folder, "metrics.jsonl"), "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line)["train/loss"]);
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "kd-cli-"));
  await makeFolders(home);
  const { code, err } = await kd(train("run"));
  if (code !== 0) throw new Error(err);
});
afterAll(() => rm(home, { recursive: true }));

it("a run's folder may be moved and saved at other steps, and goes on; its page stays where it is refused", async () => {
  await cp(at("run"), at("moved"), { recursive: true });
  await rm(at("moved", "checkpoints", "step-00000006"), { recursive: true });
  const { code, err } = await kd(train("moved", "--resume", "--save-steps", "5"));
  expect(code, err).toBe(0);
  expect(err).toContain("sft: resuming after step 4");
  expect(await losses("moved")).toEqual(await losses("run"));
  await writeFile(at("moved", "report.html"), "mine");
  for (const more of [["--resume", "--seed", "7"], []]) expect((await kdHere(train("moved", ...more))).code).toBe(1);
  expect(await readFile(at("moved", "report.html"), "utf8")).toBe("mine");
});

it("a folder is refused before models are loaded for it", async () => {
  const folder = at("run");
  for (const [more, message] of [
    [[], "expected no such run"],
    [["--resume"], `expected config.student.language_model "${at("language-model")}", got "${at("none")}"`],
  ] as const) {
    const { err } = await kdHere(train("run", "--set", `student={"language_model":"${at("none")}"}`, ...more));
    expect(err).toContain(message);
  }
  expect(await readFile(join(folder, "command.txt"), "utf8")).not.toContain("none");
});

it("--overwrite leaves a model's folder alone, though it has a config.json", async () => {
  const before = await readdir(at("student"));
  const { code, err } = await kdHere([...train("student"), "--overwrite"]);
  expect(code).toBe(1);
  expect(err).toContain("whose config.json is no run's");
  expect(await readdir(at("student"))).toEqual(before);
});

it("says so where there is nothing to resume, and logs how far a step moves the weights", async () => {
  const { code, err } = await kd(train("fresh", "--resume"));
  expect(code, err).toBe(0);
  expect(err).toContain(`no checkpoint in ${at("fresh")}: the run begins`);
  const rows = (await readFile(at("fresh", "metrics.jsonl"), "utf8")).trim().split("\n");
  expect(rows.map((line) => JSON.parse(line)["opt/update_norm"] > 0)).toEqual([false, ...Array(5).fill(true)]); // lr 0 first
});

it("a viewer that leaves does not end a training", async () => {
  const child = spawn(process.execPath, [BIN, ...train("unseen")], {
    env: { ...process.env, ...ENVIRONMENT },
    stdio: ["ignore", "ignore", "pipe"],
  });
  child.stderr.once("data", () => child.stderr.destroy()); // as `2>&1 | head -1`
  expect(await new Promise((resolve) => child.once("close", resolve))).toBe(0);
  expect(await losses("unseen")).toEqual(await losses("run"));
});

it("a terminal that is closed makes it save, as Ctrl-C does", async () => {
  const { code, err } = await new Promise<{ code: number | null; err: string }>((done) => {
    const child = spawn(process.execPath, [BIN, ...train("closed")], { env: { ...process.env, ...ENVIRONMENT } });
    let err = "";
    child.stderr.on("data", (chunk) => {
      if (!err.includes("engine wasm") && (err + chunk).includes("engine wasm")) child.kill("SIGHUP");
      err += chunk;
    });
    child.once("close", (code) => done({ code, err }));
  });
  expect(code, err).toBe(130);
  expect(err).toMatch(/stopped after step 1 and saved/);
});

const LIMITS = spawnSync("bash", ["-c", "ulimit -f 8"]).status === 0;
it.skipIf(!LIMITS)("a student that cannot be written is named (skipped where there is no ulimit)", () => {
  const script = 'ulimit -f 8; exec "$@"'; // files of at most 8 KiB
  const command = ["-c", script, "bash", process.execPath, BIN, ...train("run", "--resume")];
  const { status, stderr } = spawnSync("bash", command, { env: { ...process.env, ...ENVIRONMENT }, encoding: "utf8" });
  expect(status, stderr).toBe(1);
  expect(stderr).toMatch(/error KD_IO: \S+student \(the training is saved: --resume writes it\): .*EFBIG/);
});

it("a page that cannot be written is named with the way out", async () => {
  const out = at("none", "page.html");
  expect(await kdHere(["report", at("run"), "--out", out])).toMatchObject({
    code: 1,
    err: expect.stringMatching(/error KD_IO: .*page\.html: expected to write the page there, got ENOENT; .*--out/),
  });
  await rename(at("run"), at("elsewhere"));
  expect((await kdHere(["report", at("elsewhere"), "--json"])).code).toBe(0);
  await rename(at("elsewhere"), at("run"));
});

const SCRIPT = spawnSync("script", ["--version"]).status === 0;
it.skipIf(!SCRIPT)("on a terminal an error begins a line (skipped where there is no script command)", () => {
  const command = train("diverged", "--learning-rate", "1e30", "--set", "eval_samples=0");
  const typed = [process.execPath, BIN, ...command].map((word) => `'${word}'`).join(" ");
  const env = { ...process.env, ...ENVIRONMENT, TERM: "xterm", NO_COLOR: "1" };
  const { stdout } = spawnSync("script", ["-qec", typed, "/dev/null"], { env, encoding: "utf8" });
  expect(stdout).toMatch(
    /sft 2\/6 [^\r\n]*\r\nwhat is saved can go on: [^\r\n]*\r\nerror KD_DIVERGED.*; step 2 is saved in /,
  );
});
