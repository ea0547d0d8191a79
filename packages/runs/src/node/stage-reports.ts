import { join } from "node:path";
import { KdError, type StepReport } from "@kd/contract";
import { writeJson } from "./files.ts";
import { writing } from "./io-error.ts";
import type { RunStage } from "./run-options.ts";

export const divergedPath = (folder: string): string => join(folder, "diverged.json");

/**
 * The reports; an error of theirs comes as the last item, so that it cannot be taken for one of who reads them. A loss that is not finite
 * comes with the records of its step, written down.
 */
export async function* stageReports(
  { name, recordsOf }: RunStage,
  reports: AsyncIterable<StepReport>,
  { folder, after }: { readonly folder: string; readonly after: number },
): AsyncGenerator<{ readonly report: StepReport } | { readonly failure: unknown }, void, undefined> {
  let step = after;
  try {
    for await (const report of reports) {
      step = report.step;
      yield { report };
    }
  } catch (failure) {
    yield { failure: isDiverged(failure) ? await written(failure, step + 1) : failure };
  }

  async function written(cause: KdError, step: number): Promise<KdError> {
    const { message } = cause;
    const file = divergedPath(folder);
    let records: readonly string[] = [];
    try {
      records = (await recordsOf?.(step)) ?? [];
      await writing(file, () => writeJson(file, { stage: name, step, message, records }));
    } catch (error) {
      return new KdError("KD_DIVERGED", `${message}. ${(error as Error).message}`, { cause });
    }
    const some = records.slice(0, 8).join(", ");
    const list = records.length === 0 ? "" : ` Its records, all in ${file}: ${some}${records.length > 8 ? ", …" : ""}`;
    return new KdError("KD_DIVERGED", `${message}.${list}`, { cause });
  }
}

const isDiverged = (error: unknown): error is KdError => KdError.is(error) && error.code === "KD_DIVERGED";
