import { existsSync } from "node:fs";
import { appendFile, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { z } from "zod";
import { checkpointSteps } from "./checkpoint-list.ts";
import { readJson, writeJson } from "./files.ts";
import { writing } from "./io-error.ts";

/** `config.json` of a run. */
export interface RunConfig {
  readonly config?: unknown;
  readonly stages: readonly { readonly name: string; readonly totalSteps: number }[];
  readonly versions: Readonly<Record<string, string>>;
  readonly commit?: string | undefined;
}

const configSchema: z.ZodType<RunConfig> = z.object({
  config: z.unknown(),
  stages: z.array(z.object({ name: z.string(), totalSteps: z.number() })),
  versions: z.record(z.string(), z.string()),
  commit: z.string().optional(),
});

/** What a run is started with. */
export interface RunFolderOptions {
  /** Anything plain; a run is resumed with the same alone. */
  readonly config: unknown;
  readonly stages: readonly { readonly name: string; readonly totalSteps: number }[];
  /** Of what made the run, by name. */
  readonly versions: Readonly<Record<string, string>>;
  readonly commit?: string | undefined;
  /** Added to `command.txt`. */
  readonly command?: string | undefined;
  /** `new` refuses a folder that exists, `resume` goes on with it, `overwrite` begins again. */
  readonly start: "new" | "resume" | "overwrite";
  /** Keys of `config`, at any depth, that a resumed run may have others of. @defaultValue none */
  readonly mayChange?: readonly string[] | undefined;
}

export const configPath = (folder: string): string => join(folder, "config.json");
export const checkpointsPath = (folder: string): string => join(folder, "checkpoints");

/** `config.json` of a run's folder. */
export const readRunConfig = (folder: string): Promise<RunConfig> => readJson(configPath(folder), configSchema);

/**
 * Makes a run's folder, or opens the one of the same run. Gives back what the user should know.
 *
 * @throws KdError `KD_CONFIG` for a folder of another configuration or of anything else, which is left as it is; `KD_IO` where it cannot be written.
 */
export async function openRunFolder(folder: string, options: RunFolderOptions): Promise<string[]> {
  const { config, stages, versions, commit, command, start, mayChange = [] } = options;
  const wanted: RunConfig = {
    config: JSON.parse(JSON.stringify(config ?? null)),
    stages: stages.map(({ name, totalSteps }) => ({ name, totalSteps })),
    versions: { ...versions },
    ...(commit === undefined ? {} : { commit }),
  };
  const before = await configBefore(folder, start);
  if (before !== undefined && start === "overwrite") await writing(folder, () => clear(folder));
  const notices: string[] = [];
  await writing(folder, async () => {
    await mkdir(checkpointsPath(folder), { recursive: true });
    if (before === undefined || start !== "resume") await writeJson(configPath(folder), wanted);
    else {
      notices.push(...compare(before, wanted, { folder, mayChange }));
      const now = { ...before, config: wanted.config };
      if (JSON.stringify(now) !== JSON.stringify(before)) await writeJson(configPath(folder), now);
    }
    if (command !== undefined) await appendFile(join(folder, "command.txt"), `${command}\n`);
  });
  return notices;
}

/**
 * Refuses what `runStages` would refuse in this folder, before models are loaded for it. It changes nothing.
 *
 * @throws KdError `KD_CONFIG` for a folder of another configuration or of anything else.
 */
export async function checkRunFolder(
  folder: string,
  { config, start = "new", mayChange = [] }: Partial<Pick<RunFolderOptions, "config" | "start" | "mayChange">>,
): Promise<void> {
  const before = await configBefore(folder, start);
  if (before === undefined || start !== "resume") return;
  compare(before, { ...before, config: JSON.parse(JSON.stringify(config ?? null)) }, { folder, mayChange });
}

/** What a run that is in the folder was started with; a folder that may not be used is refused. */
async function configBefore(folder: string, start: RunFolderOptions["start"]): Promise<RunConfig | undefined> {
  const isRun = existsSync(configPath(folder));
  const before = isRun ? await ownConfig(folder) : undefined;
  const isEmpty = !existsSync(folder) || (await writing(folder, () => readdir(folder))).length === 0;
  if (!isRun && !isEmpty && (start !== "resume" || (await checkpointSteps(checkpointsPath(folder))).length > 0))
    throw new KdError(
      "KD_CONFIG",
      `${folder}: expected a run's folder or none, got one without config.json; choose another`,
    );
  if (isRun && start === "new")
    throw new KdError(
      "KD_CONFIG",
      `${folder}: expected no such run, got one; resume it, overwrite it or choose another name`,
    );
  return before;
}

/** The run's own: many a folder has a `config.json`, a model's too. `KD_CONFIG` for another's. */
export async function ownConfig(folder: string): Promise<RunConfig> {
  return readRunConfig(folder).catch((cause: Error) => {
    throw new KdError(
      "KD_CONFIG",
      `${folder}: expected a run's folder or none, got one whose config.json is no run's (${cause.message}); choose another, perhaps one in it`,
      { cause },
    );
  });
}

/** Empties a run's folder, `config.json` last: after a kill in between it is still a run's, and can be overwritten again. */
async function clear(folder: string): Promise<void> {
  const path = configPath(folder);
  for (const name of await readdir(folder))
    if (join(folder, name) !== path) await rm(join(folder, name), { recursive: true, force: true });
  await rm(path, { force: true });
}

function compare(
  before: RunConfig,
  now: RunConfig,
  { folder, mayChange }: { readonly folder: string; readonly mayChange: readonly string[] },
): string[] {
  const [a, b] = [
    flat({ config: before.config, stages: before.stages }),
    flat({ config: now.config, stages: now.stages }),
  ];
  const different = [...new Set([...a.keys(), ...b.keys()])].filter(
    (key) => a.get(key) !== b.get(key) && !mayChange.includes(key.slice(key.lastIndexOf(".") + 1)),
  );
  const [first] = different;
  if (first !== undefined)
    throw new KdError(
      "KD_CONFIG",
      `${configPath(folder)}: the run was started with another configuration, expected ${first} ${a.get(first) ?? "unset"}, got ${b.get(first) ?? "unset"}${different.length > 1 ? ` (and ${different.length - 1} more)` : ""}; repeat its options or choose another name`,
    );
  if (now.commit === before.commit) return [];
  return [`the run began at commit ${before.commit ?? "unknown"} and goes on at ${now.commit ?? "unknown"}`];
}

/** Every leaf as text under its path, whatever the order of keys. */
function flat(value: unknown, path = "", into: Map<string, string> = new Map()): Map<string, string> {
  if (typeof value === "object" && value !== null && Object.keys(value).length > 0)
    for (const [key, inner] of Object.entries(value)) flat(inner, path === "" ? key : `${path}.${key}`, into);
  else into.set(path, JSON.stringify(value) ?? "undefined");
  return into;
}
