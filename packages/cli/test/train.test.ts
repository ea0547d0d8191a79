import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeFolders, TEMPLATE } from "./folders.ts";
import { kd } from "./kd.ts";

let home: string;
const at = (...names: string[]): string => join(home, ...names);
const json = async (...names: string[]) => JSON.parse(await readFile(at(...names), "utf8"));
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "kd-cli-"));
  await makeFolders(home);
});
afterAll(() => rm(home, { recursive: true }));

/** Every number of a run that does not depend on the machine's speed. */
async function numbers(run: string): Promise<object[]> {
  const text = await readFile(at(run, "metrics.jsonl"), "utf8");
  const rows = text.trim().split("\n");
  return rows.map((line) =>
    Object.fromEntries(Object.entries(JSON.parse(line)).filter(([key]) => !/^(_timestamp|perf)/.test(key))),
  );
}

it("trains the three stages, prints and saves the merged configuration, and leaves a student that answers", async () => {
  const { code, out, err } = await kd(["train", at("train.json"), "--seed", "5", "--json"]);
  expect(code, err).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    student: at("run", "student"),
    stages: ["dpt", "sft", "dft"].map((stage) => ({ stage, records: 3, steps: 12, loss: expect.any(Number) })),
  });
  const { config } = await json("run", "config.json");
  expect(JSON.parse(err.slice(0, err.indexOf("\n}\n") + 2))).toEqual(config);
  expect(config).toMatchObject({
    seed: 5,
    teacher_dtype: "bf16",
    dpt: { alpha: 1, gamma: 0.5, batch_size: 2 },
    sft: { warmup_ratio: 0.03 },
  });
  expect(err).toMatch(
    /^dpt 01\/12 \(8\.3%\) \| eta \d+s \| loss \d+\.\d{4} \| ce [\d.]+ mdist\.response [\d.]+ mdist\.visual [\d.]+ rdist [\d.]+ \| lr \S+ \| [\d,]+ tok\/s$/m,
  );
  expect(err).toMatch(/^sft 12\/12 \(100\.0%\) \| eta 0s \| loss [\d.]+ \| ce [\d.]+ \| lr/m);
  const rows = (await numbers("run")) as Record<string, number>[];
  expect(rows).toHaveLength(36);
  for (const row of rows.filter(({ stage }) => (stage as unknown) !== "sft"))
    expect(row["train/loss"]).toBeCloseTo(
      (row["train/loss_ce"] as number) +
        (row["train/loss_mdist.response"] as number) +
        (row["train/loss_mdist.visual"] as number) +
        0.5 * (row["train/loss_rdist"] as number),
      3,
    );
  const student = JSON.parse((await kd(["inspect", at("run", "student"), "--json"])).out);
  expect(student).toMatchObject({
    layout: "llava",
    findings: [],
    image: { visual_tokens: 4 },
    tokenizer: { tokens: 12, chat_template: true },
  });
  const prompt = ["--image", at("pictures", "star.png"), "--prompt", "what is it ?", "--max-new-tokens", "4", "--json"];
  const answer = JSON.parse((await kd(["generate", at("run", "student"), ...prompt])).out);
  expect(answer.prompt_ids).toEqual([8, 19, 19, 19, 19, 2, 3, 4, 7, 9]); // as it was trained
});

it("Ctrl-C saves and ends in 130; --resume goes on to the same bits", async () => {
  const run = (folder: string, ...more: string[]) => [
    "train",
    at("train.json"),
    "--output-dir",
    at(folder),
    "--max-steps",
    "60",
    ...more,
  ];
  const straight = await kd(run("straight"));
  expect(straight.code, straight.err).toBe(0);
  let asked = false;
  const stopped = await kd(run("stopped"), {
    onError: (all, interrupt) => {
      if (asked || !all.includes("sft 06/60")) return;
      asked = true;
      interrupt();
    },
  });
  expect(stopped.code).toBe(130);
  expect(stopped.err).toMatch(/stopped after step \d+ and saved; the same command with --resume goes on\n$/);
  expect(stopped.err).not.toContain("sft 60/60");
  const resumed = await kd(run("stopped", "--resume"));
  expect(resumed.code, resumed.err).toBe(0);
  expect(resumed.err).toMatch(/dpt: finished before, after step 60\nsft: resuming after step \d+/);
  expect(await numbers("stopped")).toEqual(await numbers("straight"));
  expect(await readFile(at("stopped", "student", "model.safetensors"))).toEqual(
    await readFile(at("straight", "student", "model.safetensors")),
  );
});

it("flags and --set win over the file; a saved configuration gives the same run; another is refused", async () => {
  const flags = [
    "--stages",
    "pt,sft",
    "--max-steps",
    "2",
    "--set",
    "sft.learning_rate=1e-3",
    "--set",
    "max_grad_norm=2",
  ];
  const first = await kd(["train", at("train.json"), "--output-dir", at("control"), ...flags]);
  expect(first.code, first.err).toBe(0);
  expect((await json("control", "config.json")).config).toMatchObject({
    stages: ["pt", "sft"],
    sft: { learning_rate: 1e-3, max_grad_norm: 2, max_steps: 2 },
    pt: { learning_rate: 1e-2 },
  });
  const again = await kd(["train", at("control", "config.json"), "--output-dir", at("again")]);
  expect(again.code, again.err).toBe(0);
  expect(await numbers("again")).toEqual(await numbers("control"));
  const control = ["train", at("train.json"), "--output-dir", at("control")];
  expect(await kd(control)).toMatchObject({ code: 1, err: expect.stringContaining("resume it, overwrite it") });
  expect(await kd([...control, "--resume"])).toMatchObject({
    code: 1,
    err: expect.stringContaining("another configuration"),
  });
});

it.each([
  ["a wrong key", { learning_rat: 1 }, /unknown key "learning_rat"; did you mean "learning_rate"\?/],
  ["a wrong key of a stage", { dft: { gama: 1 } }, /dft: unknown key "gama"; did you mean "gamma"\?/],
  ["a wrong type", { epochs: "two" }, /epochs: .* got "two"/],
  ["a missing teacher", { teacher: null }, /stage dpt distils and needs a teacher/],
  ["a path that leads out", { data_path: "outside.json" }, /outside\.json\[0\]: .*a path that leads out of it/],
  ["a link that leads out", { data_path: "linked.json" }, /linked\.json\[0\]: .*a link that leads out of it/],
  ["a missing picture", { data_path: "missing.json" }, /missing\.json\[0\]: expected picture "none\.png"/],
  ["a template without its end token", { template: "llama" }, /template llama ends answers with "<\/s>"/],
] as [string, object, RegExp][])("names %s", async (name, change, text) => {
  const record = (image: string) => [
    {
      image,
      conversations: [
        { from: "human", value: "<image>" },
        { from: "gpt", value: "a star" },
      ],
    },
  ];
  await writeFile(at("outside.json"), JSON.stringify(record("../student/config.json")));
  await writeFile(at("linked.json"), JSON.stringify(record("link.png")));
  await writeFile(at("missing.json"), JSON.stringify(record("none.png")));
  await symlink(at("data.json"), at("pictures", "link.png")).catch(() => {});
  const file = at(`${name.replaceAll(" ", "-")}.json`);
  const base = { ...(await json("train.json")), output_dir: `${name}-run`, template: TEMPLATE };
  const stages = "template" in change ? { stages: ["sft"] } : {};
  await writeFile(file, JSON.stringify({ ...base, ...stages, ...change }));
  const { code, out, err } = await kd(["train", file]);
  expect([code, out]).toEqual([1, ""]);
  expect(err).toMatch(text);
  expect(err).toMatch(/(^|\n)error KD_\w+: .*\n$/);
});

it("refuses a teacher of another tower", async () => {
  const other = await mkdtemp(join(tmpdir(), "kd-cli-"));
  await rm(other, { recursive: true });
  const { cp } = await import("node:fs/promises");
  await cp(at("student"), other, { recursive: true });
  const { readWeights, writeSafetensors } = await import("@kd/safetensors/node");
  const tensors = [...(await readWeights(other))].map(([name, t]) => {
    const data = t.data.slice();
    if (name.endsWith("fc1.bias") && name.includes("layers.0")) new Float32Array(data.buffer)[0] = 3;
    return [name, { ...t, data }] as const;
  });
  await writeSafetensors(join(other, "model.safetensors"), tensors as never);
  const parts = ["--set", `student.vision_tower=${at("tower")}`, "--teacher", other, "--output-dir", at("towers")];
  expect(await kd(["train", at("train.json"), ...parts])).toMatchObject({
    code: 1,
    err: expect.stringContaining("got another (vision_tower"),
  });
  await rm(other, { recursive: true });
});
