import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeFolders } from "./folders.ts";
import { kd, kdHere } from "./kd.ts";

let home: string;
const at = (...names: string[]): string => join(home, ...names);
const train = (folder: string, ...more: string[]): string[] => [
  "train",
  at("broken.json"),
  "--output-dir",
  at(folder),
  ...more,
];
/** Every number of a run that does not depend on the machine's speed. */
const numbers = async (folder: string): Promise<object[]> =>
  (await readFile(at(folder, "metrics.jsonl"), "utf8"))
    .trim()
    .split("\n")
    .map((line) =>
      Object.fromEntries(Object.entries(JSON.parse(line)).filter(([key]) => !/^(_timestamp|perf)/.test(key))),
    );
const checkpoints = async (folder: string): Promise<string[]> => (await readdir(at(folder, "checkpoints"))).sort();

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "kd-cli-"));
  await makeFolders(home);
  const records = Array.from({ length: 16 }, (_, i) => ({
    id: `r${i}`,
    image: `p${i}.png`,
    conversations: [
      { from: "human", value: "<image>\nwhat is it ?" },
      { from: "gpt", value: i % 2 === 0 ? "a star" : "a moon" },
    ],
  }));
  for (const i of records.keys())
    await sharp({ create: { width: 12, height: 12, channels: 3, background: { r: 15 * i, g: 90, b: 20 } } })
      .png()
      .toFile(at("pictures", `p${i}.png`));
  await writeFile(at("sixteen.json"), JSON.stringify(records));
  await writeFile(
    at("broken.json"),
    JSON.stringify({
      ...JSON.parse(await readFile(at("train.json"), "utf8")),
      stages: ["sft", "dft"],
      data_path: "sixteen.json",
      sampler: "sequential",
      batch_size: 4,
      max_steps: 6,
      save_steps: 100,
      eval_samples: 0, // else so few records are all asked at the start, the broken one among them
      lora: { r: 2, lora_dropout: 0.3 },
    }),
  );
});
afterAll(() => rm(home, { recursive: true }));

it("stops at a broken picture without losing a step; mended, --resume ends as if it had never been broken", async () => {
  const straight = await kd(train("straight"));
  expect(straight.code, straight.err).toBe(0);
  const picture = at("pictures", "p10.png"); // in the midst of the third step's micro-batches
  const whole = await readFile(picture);
  await writeFile(picture, "no picture");
  const stopped = await kd(train("stopped"));
  expect(stopped.code).toBe(1);
  const last = at("stopped", "checkpoints", "step-00000002");
  expect(stopped.err).toMatch(/what is saved can go on: the same command with --resume\n.*error KD_DATA: .*\n$/);
  expect(stopped.err).toMatch(/sixteen\.json\[10\].* image "p10\.png": expected an image that can be decoded/);
  expect(stopped.err).toContain(`; step 2 is saved in ${last}\n`);
  expect(await checkpoints("stopped")).toEqual(["step-00000002"]);
  await cp(at("stopped"), at("skipping"), { recursive: true });

  const again = await kd(train("stopped", "--resume")); // still broken: nothing is lost, nothing is made up
  expect([again.code, await checkpoints("stopped")]).toEqual([1, ["step-00000002"]]);
  expect(again.err).toContain(`; step 2 is saved in ${last}\n`);
  const skip = ["--set", "on_bad_record=skip"];
  const [skipping, skipped] = [await kd(train("skipping", "--resume", ...skip)), await kd(train("left", ...skip))];
  expect(skipping.code, skipping.err).toBe(0);
  expect(skipping.err).toMatch(/sft: skipped .*p10\.png/);
  expect(skipped.code, skipped.err).toBe(0);
  expect(await numbers("skipping")).toEqual(await numbers("left"));
  expect(await numbers("skipping")).not.toEqual(await numbers("straight"));

  await writeFile(picture, whole);
  const resumed = await kd(train("stopped", "--resume"));
  expect(resumed.code, resumed.err).toBe(0);
  expect(resumed.err).toContain("sft: resuming after step 2");
  expect(await numbers("stopped")).toEqual(await numbers("straight"));
  for (const file of ["model.safetensors", join("adapter", "adapter_model.safetensors")])
    expect(await readFile(at("stopped", "student", file))).toEqual(await readFile(at("straight", "student", file)));
});

it("each stage is saved at its own steps", async () => {
  const { code, err } = await kd(train("own", "--set", "sft.save_steps=4", "--stages", "sft,sft,pt"));
  expect(code, err).toBe(0);
  // of the two newest and the stages' ends, steps 4 and 10 are gone, and pt, which is saved at its end alone, has none between
  expect(await checkpoints("own")).toEqual(["step-00000006", "step-00000012", "step-00000018"]);
});

it("--from a stage that the run has not is refused before models are loaded, and the stages are named", async () => {
  const none = ["--set", `student="${at("none")}"`];
  const { code, err } = await kdHere(train("from", "--from", "pt", "--stages", "sft,dft,sft", ...none));
  expect(code).toBe(1);
  expect(err).toContain('--from: expected a stage of this run (sft, dft, sft-2), got "pt"; choose one of them\n');
  expect(err).not.toContain("engine");
});
