import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { Command } from "commander";
import { type EngineFlags, engineName, startEngine, withEngine } from "../engine.ts";
import { Interrupted, listenForInterrupt } from "../interrupt.ts";
import { bytes, note, rows, say, sayJson } from "../terminal.ts";

interface Flags extends EngineFlags {
  readonly cache?: string;
  readonly json?: boolean;
}

/** `kd cache CONFIG`: what `kd train` of the same configuration need not compute. */
export function cacheCommand(): Command {
  return withEngine(new Command("cache"))
    .description(
      "compute the tower's features and the teacher's rows for a training, once: kd train then needs no teacher",
    )
    .argument("<config>", "as kd train takes it, with a key cache; its paths start at the file")
    .option("--cache <dir>", "the folder, instead of the configuration's")
    .option("--json", "one JSON object: cache, bytes, stages")
    .addHelpText(
      "after",
      `
Stopped by Ctrl-C, the same command goes on; what is there is checked, and what is damaged computed again. A record or picture that changed is another
entry; the old ones stay until the folder is removed, which is all that is needed to be rid of a cache. Records are computed once each, all of them,
whatever max_steps says.

Examples:
  kd cache train.json --cache cache
  kd train train.json --set cache=cache`,
    )
    .action(async (path: string, flags: Flags) => {
      const interrupts = listenForInterrupt();
      try {
        const { readConfig } = await import("../train/read-config.ts");
        const { cacheRun } = await import("../train/cache-run.ts");
        const config = await readConfig(path, flags.cache === undefined ? {} : { cache: flags.cache });
        const { cache } = config;
        if (cache === null)
          throw new KdError("KD_CONFIG", `${path}: expected a key cache, got none; give it, or --cache`);
        note(`engine ${engineName(await startEngine(flags))}`);
        const stages = await cacheRun(config, interrupts.signal);
        if (stages === undefined) throw new Interrupted("stopped; the same command goes on");
        const sizes = {
          features: await sizeOf(join(cache, "features")),
          teacher: await sizeOf(join(cache, "teacher")),
        };
        if (flags.json) return void sayJson({ cache, bytes: sizes, stages });
        say(
          rows([
            ...stages.map(
              ({ stage, records, pictures, taught, skipped }) =>
                [
                  stage,
                  `${records} records, ${pictures} pictures${taught === undefined ? "" : `, ${taught} taught now`}${skipped === undefined ? "" : `, ${skipped} left out`}`,
                ] as const,
            ),
            ["cache", `${cache}: features ${bytes(sizes.features)}, teacher ${bytes(sizes.teacher)}`],
          ]),
        );
      } finally {
        interrupts.stop();
      }
    });
}

/** Bytes of a folder's files; 0 where it is not there. */
async function sizeOf(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
