import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { KdError } from "@kd/contract";
import { contentHash, hashFiles } from "@kd/disk-cache/node";
import type { Llava } from "@kd/mllm";
import { type LlavaFolder, openLlava as recognise } from "@kd/mllm/node";
import type { TeacherRows } from "@kd/stages";
import { openTeacherRows, type StoredTeacherRows, type TeacherRowsOptions } from "@kd/stages/node";
import { jsonText } from "../json-file.ts";
import { resolveFolder } from "../resolve-folder.ts";
import { note } from "../terminal.ts";
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
  /** Absent where the cache has every row, as it says: it is loaded if one turns out to be missing. */
  readonly model?: Llava | undefined;
  of(stage: StageConfig): Llava | TeacherRows;
  /** The same, where a cache is given. */
  rowsOf(stage: StageConfig): Promise<StoredTeacherRows>;
  /** Notes that every row of these data is in the cache. */
  markWhole(taught: TaughtStage): Promise<void>;
  close(): void;
}

/** Opens the teacher of these stages. With a cache that `kd cache` has filled for all of them its weights are not loaded before a row is missing. */
export async function openTeaching(
  { teacher, teacher_dtype: keep, cache }: RunConfig,
  { student, stages }: { readonly student: Student; readonly stages: readonly TaughtStage[] },
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
  const { config, parts } = await recognise(folder);
  const vocabulary = Math.min(config.text_config.vocab_size, student.model.config.text_config.vocab_size);
  const weights = await hashFiles(filesOf(parts));
  const identity = contentHash([JSON.stringify(config), weights, keep, student.model.tower]);
  const formOf = (stage: StageConfig): Omit<TeacherRowsOptions, "teacher"> => ({
    identity,
    vocabulary,
    temperature: stage.temperature,
    ...(divergenceOf(stage).kind === "forwardKl" ? {} : { response: "hidden" }), // top-k rows know the forward KL alone
  });
  const markOf = ({ stage, data }: TaughtStage): string =>
    join(cache, "teacher", `whole-${contentHash([JSON.stringify(formOf(stage)), data.fingerprint]).slice(0, 32)}.json`);
  const whole = stages.every((taught) => existsSync(markOf(taught)));
  const model = whole ? undefined : await load();
  let loading: Promise<Llava> | undefined;
  const late = (): Promise<Llava> => {
    if (loading === undefined) note(`${cache}: rows of the teacher are missing or damaged: it is loaded`);
    loading ??= load();
    return loading;
  };
  const opened = new Map<string, StoredTeacherRows>();
  const rowsOf = async (stage: StageConfig): Promise<StoredTeacherRows> => {
    const form = formOf(stage);
    const name = JSON.stringify(form);
    const rows =
      opened.get(name) ?? (await openTeacherRows(join(cache, "teacher"), { ...form, teacher: model ?? late }));
    opened.set(name, rows);
    return rows;
  };
  for (const { stage } of stages) await rowsOf(stage);
  return {
    model: model ?? (await loading), // its head alone may have been damaged
    of: (stage) => opened.get(JSON.stringify(formOf(stage))) as StoredTeacherRows,
    rowsOf,
    markWhole: async (taught) => {
      const path = markOf(taught);
      if (existsSync(path)) return;
      try {
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, jsonText({ teacher, data_path: taught.stage.data_path }));
      } catch (cause) {
        throw new KdError("KD_IO", `${path}: expected to write it, got ${(cause as Error).message}`, { cause });
      }
    },
    close: () => {
      for (const rows of opened.values()) rows.close();
    },
  };
}

/** The files that its weights are read from, of whatever layout. */
const filesOf = (parts: LlavaFolder["parts"]): string[] => [
  ...new Set(
    parts.flatMap(({ weights: { path, tensors } }) => [path, ...[...tensors.values()].map(({ file }) => file)]),
  ),
];
