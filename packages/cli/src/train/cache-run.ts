import { formatDuration } from "@kd/runs";
import { endProgress, note, progress } from "../terminal.ts";
import type { RunConfig } from "./config.ts";
import { openRun } from "./open-run.ts";

/** What a stage's part of the cache is. */
export interface CachedStage {
  readonly stage: string;
  readonly records: number;
  /** Pictures whose features are there. */
  readonly pictures: number;
  /** Records whose rows of the teacher were computed now; absent for a stage without a teacher. */
  readonly taught?: number;
  readonly skipped?: number;
}

/** Fills the cache of a run: features of every picture, rows of the teacher for every record of a stage that distils. Goes on where it was stopped. */
export async function cacheRun(config: RunConfig, signal: AbortSignal): Promise<readonly CachedStage[] | undefined> {
  const run = await openRun(config);
  const result: CachedStage[] = [];
  try {
    for (const { name, kind, stage, data } of run.stages) {
      const teacher = run.distils(kind) ? run.teacher : undefined;
      const rows = await teacher?.rowsOf(stage);
      const started = performance.now();
      let [records, taught, shown] = [0, 0, started];
      const seen = new Set<string>();
      for await (const { batch, keys } of data.everything()) {
        for (const key of keys) seen.add(key);
        taught += (await rows?.fill(batch)) ?? 0;
        records += batch.shape[0];
        if (signal.aborted) return undefined;
        const now = performance.now();
        if (now - shown < (process.stderr.isTTY ? 500 : 10_000)) continue;
        shown = now;
        const left = formatDuration(((now - started) / records) * (data.records - records));
        (process.stderr.isTTY ? progress : note)(
          `${name} ${records}/${data.records} | eta ${left} | ${seen.size} pictures${rows ? ` | ${taught} taught now` : ""}`,
        );
      }
      endProgress();
      await teacher?.markWhole({ stage, data });
      const skipped = run.skipped.get(name);
      result.push({
        stage: name,
        records,
        pictures: seen.size,
        ...(rows === undefined ? {} : { taught }),
        ...(skipped === undefined ? {} : { skipped }),
      });
    }
    const last = run.stages.findLast(({ kind }) => run.distils(kind))?.stage;
    const rows = last && (await run.teacher?.rowsOf(last));
    for (const batch of run.evaluation?.batches ?? []) await rows?.fill(batch);
    return result;
  } finally {
    endProgress();
    await run.close();
  }
}
