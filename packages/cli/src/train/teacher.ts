import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { contentHash, hashFiles } from "@kd/disk-cache/node";
import type { Llava } from "@kd/mllm";
import { openLlava as recognise } from "@kd/mllm/node";
import type { TeacherRows } from "@kd/stages";
import { openTeacherRows, type StoredTeacherRows, type TeacherRowsOptions } from "@kd/stages/node";
import { jsonText } from "../json-file.ts";
import { resolveFolder } from "../resolve-folder.ts";
import { divergenceOf, type RunConfig, type StageConfig } from "./config.ts";
import { checkTeacher, openTeacher } from "./open-teacher.ts";
import type { StageData } from "./stage-data.ts";
import type { Student } from "./student.ts";

/** A distilling stage and its data. */
export interface TaughtStage {
  readonly stage: StageConfig;
  readonly data: StageData;
}

/** What teaches the stages of a run: a model, or its rows in the run's cache. */
export interface Teacher {
  /** Absent where the cache has every row. */
  readonly model?: Llava | undefined;
  of(stage: StageConfig): Llava | TeacherRows;
  /** The same, where a cache is given. */
  rowsOf(stage: StageConfig): Promise<StoredTeacherRows>;
  /** Notes that every row of these data is in the cache. */
  markWhole(taught: TaughtStage): Promise<void>;
  close(): void;
}

/** Opens the teacher of these stages. With a cache that `kd cache` has filled for all of them the teacher's weights are not loaded. */
export async function openTeaching(
  { teacher, teacher_dtype: keep, cache }: RunConfig,
  {
    student,
    stages,
    fill = false,
  }: { readonly student: Student; readonly stages: readonly TaughtStage[]; readonly fill?: boolean },
): Promise<Teacher | undefined> {
  if (teacher === null || stages.length === 0) return undefined;
  const load = (): Promise<Llava> => openTeacher(teacher, { keep, student });
  if (cache === null) {
    const model = await load();
    const none = (): never => {
      throw new Error("there is no cache");
    };
    return { model, of: () => model, rowsOf: none, markWhole: none, close: () => {} };
  }
  const folder = await resolveFolder(teacher);
  await checkTeacher(folder, student);
  const { text_config } = (await recognise(folder)).config;
  const vocabulary = Math.min(text_config.vocab_size, student.model.config.text_config.vocab_size);
  const identity = contentHash([await hashFiles(await weightFiles(folder)), keep, student.model.tower]);
  const formOf = (stage: StageConfig): Omit<TeacherRowsOptions, "teacher"> => ({
    identity,
    vocabulary,
    temperature: stage.temperature,
    ...(divergenceOf(stage).kind === "forwardKl" ? {} : { response: "hidden" }), // top-k rows know the forward KL alone
  });
  const markOf = ({ stage, data }: TaughtStage): string =>
    join(cache, "teacher", `whole-${contentHash([JSON.stringify(formOf(stage)), data.fingerprint]).slice(0, 32)}.json`);
  const whole = !fill && stages.every((taught) => existsSync(markOf(taught)));
  const model = whole ? undefined : await load();
  const opened = new Map<string, StoredTeacherRows>();
  const rowsOf = async (stage: StageConfig): Promise<StoredTeacherRows> => {
    const form = formOf(stage);
    const name = JSON.stringify(form);
    const rows =
      opened.get(name) ??
      (await openTeacherRows(join(cache, "teacher"), { ...form, ...(model === undefined ? {} : { teacher: model }) }));
    opened.set(name, rows);
    return rows;
  };
  for (const { stage } of stages) await rowsOf(stage);
  return {
    model,
    of: (stage) => opened.get(JSON.stringify(formOf(stage))) as StoredTeacherRows,
    rowsOf,
    markWhole: async (taught) => {
      const path = markOf(taught);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, jsonText({ teacher, data_path: taught.stage.data_path }));
    },
    close: () => {
      for (const rows of opened.values()) rows.close();
    },
  };
}

/** What decides the teacher's numbers, parts in folders of their own included. */
async function weightFiles(folder: string): Promise<string[]> {
  const names = (await readdir(folder, { recursive: true })).filter((name) =>
    /(\.safetensors|\.bin|(^|[\\/])config\.json)$/.test(name),
  );
  return names.sort().map((name) => join(folder, name));
}
