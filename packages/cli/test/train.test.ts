import { spawnSync } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { siglipProcessorConfig } from "@kd/data";
import { type StoredTensor, toFloat32 } from "@kd/safetensors";
import { readSafetensors, readWeights, writeSafetensors } from "@kd/safetensors/node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeFolders, TEMPLATE } from "./folders.ts";
import { BIN, ENVIRONMENT, kd, kdHere } from "./kd.ts";

let home: string;
const at = (...names: string[]): string => join(home, ...names);
const json = async (...names: string[]) => JSON.parse(await readFile(at(...names), "utf8"));
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "kd-cli-"));
  await makeFolders(home);
  const text = {
    conversations: [
      { from: "human", value: "what is it ?" },
      { from: "gpt", value: "a moon" },
    ],
  };
  const seen = {
    image: "star.png",
    conversations: [
      { from: "human", value: "<image>\nis it a star ?" },
      { from: "gpt", value: "a star" },
    ],
  };
  const lines = [text, { ...seen, image: "none.png" }, seen, { id: 3 }].map((line) => JSON.stringify(line));
  await writeFile(at("lines.jsonl"), lines.join("\n"));
  await mkdir(at("captioned"));
  await cp(at("pictures", "moon.png"), at("captioned", "moon.png"));
  await writeFile(at("captioned", "moon.txt"), "a moon");
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
  const measured = rows.filter((row) => row["eval/agreement"] !== undefined);
  expect(measured.length).toBeGreaterThan(15); // ten times a stage at most, its end among them
  for (const row of measured) expect(row["eval/loss"], "every answer is measured").toBeGreaterThan(0);
  expect(measured.at(-1)?.["eval/loss"]).toBeLessThan(measured[0]?.["eval/loss"] as number);
  const { scores, samples, grams } = await json("run", "evaluation.json");
  expect(scores.models.map(({ name }: { name: string }) => name)).toEqual(["teacher", "student"]);
  expect(scores.floors.map(({ name }: { name: string }) => name)).toEqual(["blind", "majority"]);
  expect(scores.note).toMatch(/of 3 records of data\.json, which the student was trained on/);
  expect(samples.shown[0]).toMatchObject({
    image: expect.stringMatching(/^data:image\/webp;base64,/),
    question: "what is it ?",
    answers: { teacher: expect.any(String), student: expect.any(String) },
  });
  expect(grams.pictures[0].matrices.map(({ values }: { values: number[] }) => values.length)).toEqual([16, 16]);
  expect(await readFile(at("run", "report.html"), "utf8")).toMatch(
    /<h2>Answers[\s\S]*<h2>What the visual tokens relate/,
  );
  const student = JSON.parse((await kdHere(["inspect", at("run", "student"), "--json"])).out);
  expect(student).toMatchObject({
    layout: "llava",
    findings: [],
    image: { visual_tokens: 4 },
    tokenizer: { tokens: 12, chat_template: true },
  });
  const prompt = ["--image", at("pictures", "star.png"), "--prompt", "what is it ?", "--max-new-tokens", "4", "--json"];
  const answer = JSON.parse((await kdHere(["generate", at("run", "student"), ...prompt])).out);
  expect(answer.prompt_ids).toEqual([8, 19, 19, 19, 19, 2, 3, 4, 7, 9]); // as it was trained
});

it("Ctrl-C saves and ends in 130; --resume goes on to the same bits, with adapters, dropout, and several sources", async () => {
  await writeFile(
    at("mixed.json"),
    JSON.stringify({
      ...(await json("train.json")),
      stages: ["sft", "dft"],
      lora: { r: 2, lora_alpha: 4, target_modules: ["q_proj", "down_proj"], lora_dropout: 0.3 },
      divergence: { kind: "jsd", beta: 0.4 },
      data_path: [{ path: "data.json", weight: 1.5 }, "lines.jsonl", { path: "captioned", image_folder: "captioned" }],
      index_folder: "indices",
      on_bad_record: "skip",
      sampler: "modality-length",
    }),
  );
  const run = (folder: string, ...more: string[]) => [
    "train",
    at("mixed.json"),
    "--output-dir",
    at(folder),
    "--max-steps",
    "40",
    ...more,
  ];
  const straight = await kd(run("straight"));
  expect(straight.code, straight.err).toBe(0);
  let asked = false;
  const stopped = await kd(run("stopped"), {
    onError: (all, interrupt) => {
      if (asked || !all.includes("sft 08/40")) return;
      asked = true;
      interrupt();
    },
  });
  expect(stopped.code).toBe(130);
  expect(stopped.err).toMatch(/stopped after step \d+ and saved; the same command with --resume goes on\n$/);
  expect(stopped.err).not.toContain("dft 40/40");
  const resumed = await kd(run("stopped", "--resume"));
  expect(resumed.code, resumed.err).toBe(0);
  expect(resumed.err).toMatch(/sft: resuming after step \d+/);
  expect(await numbers("stopped")).toEqual(await numbers("straight"));
  expect(await readFile(at("stopped", "student", "model.safetensors"))).toEqual(
    await readFile(at("straight", "student", "model.safetensors")),
  );
  expect(await readdir(at("indices"))).toHaveLength(2);
  // what cannot be read is named once, whether its file's index or only its reading told, and left out of the count of steps and losses
  expect(straight.err).toMatch(/sft: skipped .*lines\.jsonl\[1\] image "none\.png": expected a file inside/);
  expect(straight.err.match(/sft: skipped/g)).toHaveLength(2);
  expect(straight.err).toMatch(/sft: skipped .*lines\.jsonl\[3\]: no LLaVA record/);
  expect(straight.out).toMatch(/^sft +40 steps of 8 records, .*, 2 left out$/m);
  const [base, student, adapter] = await Promise.all([
    readWeights(at("language-model")),
    readWeights(at("straight", "student")),
    readSafetensors(at("straight", "student", "adapter", "adapter_model.safetensors")),
  ]);
  const values = (tensor: StoredTensor | undefined) => [...toFloat32(tensor as StoredTensor)];
  const of = (name: string) => [...adapter.tensors].find(([stored]) => stored.includes(name))?.[1];
  const [a, b] = [values(of("q_proj.lora_A")), values(of("q_proj.lora_B"))];
  const q = values(base.get("model.layers.0.self_attn.q_proj.weight"));
  const wanted = q.map((x, i) => {
    const [row, column] = [Math.floor(i / 8), i % 8];
    return (
      x + 2 * ((b[2 * row] as number) * (a[column] as number) + (b[2 * row + 1] as number) * (a[8 + column] as number))
    );
  });
  const merged = values(student.get("language_model.model.layers.0.self_attn.q_proj.weight"));
  for (const [i, x] of merged.entries()) expect(x).toBeCloseTo(wanted[i] as number, 6);
  expect(Math.max(...merged.map((x, i) => Math.abs(x - (q[i] as number))))).toBeGreaterThan(1e-4);
  const k = "model.layers.0.self_attn.k_proj.weight";
  expect(values(student.get(`language_model.${k}`))).toEqual(values(base.get(k)));
  expect(JSON.parse((await kdHere(["inspect", at("straight", "student", "adapter"), "--json"])).out)).toMatchObject({
    layout: "peft-adapter",
    sizes: { r: 2, lora_alpha: 4 },
    findings: [],
  });
  const page = await kdHere(["report", at("straight"), at("stopped"), "--out", at("two.html"), "--json"]);
  expect(JSON.parse(page.out)).toEqual({ out: at("two.html"), runs: [at("straight"), at("stopped")] });
  expect(await readFile(at("two.html"), "utf8")).toMatch(/<html[\s\S]*straight[\s\S]*stopped/);
  expect(await readFile(at("straight", "report.html"), "utf8")).toContain("<html");
});

/** Steps of seconds: the run cannot end between two signals. */
const slow = async (): Promise<string> => {
  const raw = await json("train.json");
  const data = { data_path: [{ path: "data.json", weight: 400 }], batch_size: 1200 };
  await writeFile(at("slow.json"), JSON.stringify({ ...raw, ...data, stages: ["sft"], output_dir: "slow" }));
  return at("slow.json");
};

it("a second Ctrl-C quits at once", async () => {
  const { code, err } = await kd(["train", await slow()], {
    onError: (all, interrupt) => {
      const [asked, again] = [all.includes("engine wasm"), all.includes("once more to quit")];
      if (asked && (again || !sent)) interrupt();
      sent ||= asked;
    },
  });
  expect(code).toBe(130);
  expect(err).toMatch(/stopping after this step; once more to quit without saving\n$/);
});
let sent = false;

const SCRIPT = spawnSync("script", ["--version"]).status === 0;
it.skipIf(!SCRIPT)(
  "a terminal gets one line a step, rewritten in place (skipped where there is no script command)",
  () => {
    const command = ["train", at("train.json"), "--stages", "sft", "--output-dir", at("terminal"), "--max-steps", "7"];
    const typed = [process.execPath, BIN, ...command].map((word) => `'${word}'`).join(" ");
    const { stdout } = spawnSync("script", ["-qec", typed, "/dev/null"], {
      env: { ...process.env, ...ENVIRONMENT, TERM: "xterm" },
      encoding: "utf8",
    });
    const drawn = stdout.split("\r").filter((part) => part.includes("sft "));
    for (let step = 1; step <= 7; step++) expect(drawn.some((part) => part.includes(`sft ${step}/7`))).toBe(true);
    expect(drawn.slice(0, -1).join("")).not.toContain("\n");
  },
);

it("data inspect counts records, bad ones, tokens, and what train and test share", async () => {
  const inspect = ["data", "inspect", at("lines.jsonl"), at("captioned"), "--test", at("data.json"), "--image-folder"];
  const { code, out, err } = await kdHere([...inspect, at("pictures"), "--model", at("student"), "--json"]);
  expect(code, err).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    sources: [
      { records: 4, bad: 2, textOnly: 1, split: "train" },
      { records: 1, bad: 0, withPictures: 1 },
      { records: 3, split: "test" },
    ],
    leaks: { pictures: { count: 2 } },
    tokens: { min: 9 },
  });
  await writeFile(at("packed.json.gz"), gzipSync(await readFile(at("data.json"))));
  const elsewhere = [
    "data",
    "inspect",
    at("packed.json.gz"),
    "--pictures",
    "none",
    "--index-folder",
    at("new", "index"),
  ];
  expect((await kdHere(elsewhere)).code).toBe(0);
  expect((await readdir(at("new", "index"))).filter((name) => name.includes("packed.json.gz"))).toHaveLength(1);
  expect((await kdHere([...inspect, at("pictures"), "--pictures", "none"])).out).toMatch(/4 records, .*\n.*captioned/);
});

it("trains on packed data in a folder that cannot be written, with an index_folder, and leaves nothing there", async () => {
  await mkdir(at("shelf"));
  await cp(at("pictures"), at("shelf", "pictures"), { recursive: true });
  await cp(at("data.json"), at("shelf", "data.json"));
  await writeFile(
    at("shelf", "packed.jsonl.gz"),
    gzipSync((await json("data.json")).map((record: object) => JSON.stringify(record)).join("\n")),
  );
  const names = () => readdir(at("shelf"), { recursive: true });
  const before = await names();
  await chmod(at("shelf"), 0o555);
  const shelved = {
    ...(await json("train.json")),
    stages: ["sft"],
    data_path: ["shelf/data.json", "shelf/packed.jsonl.gz"],
    image_folder: "shelf/pictures",
    index_folder: "indices/made",
  };
  await writeFile(at("shelved.json"), JSON.stringify(shelved));
  const { code, err, out } = await kd(["train", at("shelved.json"), "--output-dir", at("shelved"), "--json"]);
  await chmod(at("shelf"), 0o755);
  expect(code, err).toBe(0);
  expect(JSON.parse(out).stages).toMatchObject([{ records: 6, steps: 12 }]);
  expect(await names()).toEqual(before); // for root, too, whom no mode keeps from writing
  expect((await readdir(at("indices", "made"))).map((name) => name.replace(/^.*\./, "")).sort()).toEqual([
    "kd-index",
    "kd-index",
    "kd-unpacked",
  ]);
  const inspected = await kdHere([
    ...["data", "inspect", at("shelf", "packed.jsonl.gz"), "--image-folder", at("pictures")],
    ...["--index-folder", at("indices", "other"), "--json"],
  ]);
  expect(inspected.code, inspected.err).toBe(0);
  expect(await names()).toEqual(before);
  expect(await readdir(at("indices", "other"))).toHaveLength(2);
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
  expect(await kdHere(control)).toMatchObject({ code: 1, err: expect.stringContaining("resume it, overwrite it") });
  expect(await kdHere([...control, "--resume"])).toMatchObject({
    code: 1,
    err: expect.stringContaining("another configuration"),
  });
});

it("kd cache computes features and the teacher's rows once; kd train then loads no teacher and gets the same losses", async () => {
  const cache = await kd(["cache", at("train.json"), "--cache", at("kept"), "--json"]);
  expect(cache.code, cache.err).toBe(0);
  expect(JSON.parse(cache.out).bytes).toEqual({ features: expect.any(Number), teacher: expect.any(Number) });
  expect(JSON.parse(cache.out).stages).toEqual([
    { stage: "dpt", records: 3, pictures: 2, taught: 3 },
    { stage: "sft", records: 3, pictures: 2 },
    { stage: "dft", records: 3, pictures: 2, taught: 3 },
  ]);
  const run = ["train", at("train.json"), "--stages", "dpt,dft", "--max-steps", "4"];
  const [kept, plain] = [
    await kd([...run, "--output-dir", at("with-cache"), "--set", `cache=${at("kept")}`]),
    await kd([...run, "--output-dir", at("without-cache")]),
  ];
  expect(kept.err).toContain("the teacher's rows are all in the cache: it is not loaded");
  expect(plain.code, plain.err).toBe(0);
  expect(kept.err).not.toContain("it is loaded"); // nor for the evaluation's records
  expect((await json("with-cache", "evaluation.json")).grams.pictures).toHaveLength(2);
  const losses = async (name: string) =>
    (await numbers(name)).map((row) => (row as Record<string, number>)["train/loss"]);
  const [mine, theirs] = [await losses("with-cache"), await losses("without-cache")];
  expect(mine).toHaveLength(8);
  for (const [i, loss] of mine.entries())
    expect(Math.abs((loss as number) / (theirs[i] as number) - 1)).toBeLessThan(2e-3); // 16 bits of features and rows
  // rows that are lost later are computed again, by a teacher that is loaded for them
  const folder = at("kept", "teacher");
  for (const name of await readdir(folder)) if (name.endsWith(".index")) await rm(join(folder, name));
  const lost = await kd([...run, "--output-dir", at("lost-rows"), "--set", `cache=${at("kept")}`]);
  expect(lost.err).toContain("rows of the teacher are missing or damaged: it is loaded");
  expect(await losses("lost-rows")).toEqual(mine);
  const full = await kd(["cache", at("train.json"), "--cache", at("kept")]);
  expect(full.err).not.toContain("it is loaded"); // nothing is missing
  expect(full.out).toMatch(
    /dpt +3 records, 2 pictures, 0 taught now\n[\s\S]*cache +\S+: features \d+ B, teacher [\d.]+ KiB/,
  );
  expect(await kdHere(["cache", at("train.json")])).toMatchObject({
    code: 1,
    err: expect.stringContaining("expected a key cache, got none"),
  });
});

it("measures and asks about records that were not trained on, or about none", async () => {
  const [record] = await json("data.json");
  await writeFile(at("held-out.json"), JSON.stringify([{ ...record, image: "star.png" }]));
  const run = (folder: string, ...set: string[]) => [
    ...["train", at("train.json"), "--stages", "sft", "--max-steps", "2", "--output-dir", at(folder)],
    ...set.flatMap((each) => ["--set", each]),
  ];
  const held = await kd(
    run("held-out", `eval_data_path=${at("held-out.json")}`, `eval_image_folder=${at("pictures")}`),
  );
  expect(held.code, held.err).toBe(0);
  const { scores, grams } = await json("held-out", "evaluation.json");
  expect(scores.note).toMatch(/of 1 records of held-out\.json, given for this/);
  expect(scores.models).toHaveLength(1);
  expect(grams).toBeUndefined(); // without a teacher
  const none = await kd(run("unmeasured", "eval_samples=0"));
  expect(none.code, none.err).toBe(0);
  expect((await numbers("unmeasured")).some((row) => "eval/loss" in row)).toBe(false);
  expect(await readdir(at("unmeasured"))).not.toContain("evaluation.json");
});

it.each([
  ["a wrong key", { learning_rat: 1 }, /unknown key "learning_rat"; did you mean "learning_rate"\?/],
  ["a missing teacher", { teacher: null }, /stage dpt distils and needs a teacher/],
  ["a path that leads out", { data_path: "outside.json" }, /outside\.json\[0\] image .*: expected no \.\./],
  ["a link that leads out", { data_path: "linked.json" }, /linked\.json\[0\] image .*: links lead to .*outside/],
  ["a missing picture", { data_path: "missing.json" }, /missing\.json\[0\] image "none\.png": expected a file inside/],
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
  const { code, out, err } = await kdHere(["train", file]);
  expect([code, out]).toEqual([1, ""]);
  expect(err).toMatch(text);
  expect(err).toMatch(/(^|\n)error KD_\w+: .*\n$/);
});

it("refuses a teacher of another tower, of another processor, or of another number of visual tokens", async () => {
  const command = ["train", at("train.json"), "--output-dir", at("refused")];
  const train = async (folder: string) =>
    kdHere([...command, "--set", `student.vision_tower=${at("tower")}`, "--teacher", folder]);
  await cp(at("teacher"), at("tilted"), { recursive: true });
  const tensors = [...(await readWeights(at("tilted")))].map(([name, t]) => {
    const data = t.data.slice();
    if (name.endsWith("fc1.bias") && name.includes("layers.0")) new Float32Array(data.buffer)[0] = 3;
    return [name, { ...t, data }] as const;
  });
  await writeSafetensors(at("tilted", "model.safetensors"), tensors as never);
  expect(await train(at("tilted"))).toMatchObject({
    code: 1,
    err: expect.stringContaining("got another (vision_tower"),
  });

  const tinted = { ...siglipProcessorConfig(8), image_mean: [0.4, 0.5, 0.5] };
  await writeFile(at("tilted", "preprocessor_config.json"), JSON.stringify(tinted));
  const { err } = await train(at("tilted"));
  expect(err).toMatch(
    /error KD_CONFIG: .*expected the student's image processor, got another: .*0\.4.* instead of .*0\.5/,
  );

  const config = { ...(await json("tilted", "config.json")), vision_feature_select_strategy: "default" };
  await writeFile(at("tilted", "config.json"), JSON.stringify(config));
  const more = ["--set", "student.vision_feature_select_strategy=full"];
  const other = await kdHere([...command, "--teacher", at("tilted"), ...more]);
  expect(other).toMatchObject({ code: 1, err: expect.stringMatching(/as many visual tokens, got 3 .* and 4 /) });
});
