import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, it } from "vitest";
import { readConfig } from "./read-config.ts";
import { resolveConfig } from "./resolve-config.ts";

const home = mkdtempSync(join(tmpdir(), "kd-cli-"));
afterAll(() => rmSync(home, { recursive: true }));
const base = { teacher: "t", student: "s", output_dir: "o", data_path: "d", image_folder: "i" };

it("defaults are the paper's, the release's preset has its own weights", () => {
  const { dpt, sft, dft } = resolveConfig(base, {}, "a.json");
  expect([dpt?.batch_size, sft?.batch_size, dpt?.learning_rate, sft?.learning_rate]).toEqual([256, 128, 1e-3, 2e-5]);
  expect([dpt?.template, sft?.template, dft?.gamma]).toEqual(["pretrain", "qwen2_base", 0.5]);
  expect(resolveConfig({ ...base, preset: "release" }, {}, "a.json").dft?.gamma).toBe(1);
});

it("default < file < stage in the file < command line < stage on the command line", () => {
  const raw = { ...base, epochs: 2, dft: { epochs: 3 } };
  const epochs = (flags: object) => {
    const { dpt, sft, dft } = resolveConfig(raw, flags as Record<string, unknown>, "a.json");
    return [dpt?.epochs, sft?.epochs, dft?.epochs];
  };
  expect(epochs({})).toEqual([2, 2, 3]);
  expect(epochs({ epochs: 4 })).toEqual([4, 4, 4]);
  expect(epochs({ epochs: 4, sft: { epochs: 5 } })).toEqual([4, 5, 4]);
});

it("lora's defaults are PEFT's, data and divergence are the paper's", () => {
  const { lora, sft } = resolveConfig({ ...base, lora: { r: 4 } }, {}, "a.json");
  expect(lora).toEqual({ r: 4, lora_alpha: 8, use_rslora: false, lora_dropout: 0, target_modules: "all-linear" });
  expect(sft).toMatchObject({ sampler: "shuffle", on_bad_record: "stop", workers: null, divergence: "forwardKl" });
});

it("what comes out goes in again", () => {
  const more = { lora: { r: 2 }, divergence: { kind: "jsd", beta: 0.5 }, data_path: ["d", { path: "e", weight: 0.5 }] };
  const parts = { stages: ["pt", "sft", "sft"], student: { language_model: "l" } };
  const once = resolveConfig({ ...base, ...parts, ...more }, {}, "a.json");
  expect(resolveConfig(JSON.parse(JSON.stringify(once)), {}, "b.json")).toEqual(once);
});

it("reads YAML; paths of the file start at the file, paths of the command line here", async () => {
  const file = join(home, "train.yaml");
  writeFileSync(
    file,
    "student: {language_model: lm, vision_tower: tower}\noutput_dir: ../run\ndata_path: d.json\nimage_folder: i\nstages: [pt]\n",
  );
  expect(await readConfig(file, { image_folder: "pictures" })).toMatchObject({
    student: { language_model: join(home, "lm"), vision_tower: join(home, "tower") },
    output_dir: join(home, "../run"),
    pt: { data_path: join(home, "d.json"), image_folder: resolve("pictures") },
  });
  writeFileSync(
    file,
    "student: s\noutput_dir: o\nstages: [pt]\ndata_path: [a.json, {path: b, image_folder: c, index_folder: i, weight: 2}]\n",
  );
  const { pt } = await readConfig(file, {});
  expect(pt?.data_path).toEqual([
    join(home, "a.json"),
    { path: join(home, "b"), image_folder: join(home, "c"), index_folder: join(home, "i"), weight: 2 },
  ]);
  writeFileSync(file, "student: [");
  await expect(readConfig(file, {})).rejects.toThrow(/train\.yaml: expected YAML/);
  await expect(readConfig(join(home, "none.json"), {})).rejects.toThrow(
    /none\.json: expected a configuration, could not read it \(ENOENT\)/,
  );
});

it.each([
  [{ studnt: "s" }, /a\.json: unknown key "studnt"; did you mean "student"\?/],
  [{ zzzzzzzzzz: 1 }, /unknown key "zzzzzzzzzz"; expected one of teacher,/],
  [
    { student: { languag_model: "l" } },
    /a\.json: student: unknown key "languag_model"; did you mean "language_model"\?/,
  ],
  [{ stages: ["dpt", "stf"] }, /stages\.1: .*"stf"/],
  [{ template: "qwen" }, /template: must be one of pretrain, phi, .*, got "qwen"/],
  [{ data_path: undefined }, /dpt: data_path is missing/],
  [{ dft: { alpha: -1 } }, /dft: alpha: .*got -1/],
  [{ sft: 3 }, /sft/],
  [{ data_path: 3 }, /data_path: must be a path, or a list of paths/],
  [{ data_path: [] }, /data_path: .*array.*got \[\]/],
  [{ data_path: [{ path: "d", weigth: 2 }] }, /data_path\.0: .*"weigth"/],
  [{ divergence: "jsd" }, /divergence: must be one of forwardKl, .*"jsd", "beta"/],
  [{ lora: { rank: 4 } }, /lora: .*"rank"/],
  [{ lora: { lora_dropout: 1 } }, /lora\.lora_dropout: .*got 1/],
  [{ sampler: "random" }, /sampler: .*got "random"/],
])("names what is wrong with %j", (change, message) => {
  expect(() => resolveConfig({ ...base, ...change }, {}, "a.json")).toThrow(
    expect.objectContaining({ code: "KD_CONFIG", message: expect.stringMatching(message) }),
  );
});

it("refuses a wrong key on the command line, too", () => {
  expect(() => resolveConfig(base, { dft: { gama: 1 } }, "a.json")).toThrow(/command line: dft: unknown key "gama"/);
});
