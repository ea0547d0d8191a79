import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { readJson, writeJson } from "./json-file.ts";
import type { RecipeOptions } from "./recipe-options.ts";

/** Makes the run's folder. Refuses one that holds another run; an existing one needs --resume or --overwrite. */
export async function openRecipeRun(folder: string, options: RecipeOptions): Promise<void> {
  const { seeds, chains, budget, quick, cacheTeacher, resume, overwrite } = options;
  const config = { seeds: seeds.length, chains, budget, quick, ...(cacheTeacher && { cacheTeacher }) };
  const file = join(folder, "config.json");
  if (overwrite) await rm(folder, { recursive: true, force: true });
  if (existsSync(folder)) {
    if (!resume)
      throw new KdError(
        "KD_CONFIG",
        `${folder} exists; add --resume to go on, --overwrite to start again or --name for another`,
      );
    const before = existsSync(file) ? await readJson(file) : undefined;
    if (JSON.stringify(before) !== JSON.stringify(config))
      throw new KdError(
        "KD_CONFIG",
        `${file}: the run was started with other options; repeat those, or choose another --name`,
      );
  } else {
    await mkdir(folder, { recursive: true });
    await writeJson(file, config);
  }
  await writeFile(join(folder, "command.txt"), `npm run recipe -- ${process.argv.slice(2).join(" ")}\n`);
}
