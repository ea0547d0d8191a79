import { mkdir, open, readdir, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { MetricsRow } from "../metrics-row.ts";
import { tensorboardEvent, tensorboardHeader } from "../tensorboard-event.ts";
import { writing } from "./io-error.ts";

/** A TensorBoard event file that rows are appended to. */
export interface EventFile {
  append(row: MetricsRow): Promise<void>;
  close(): Promise<void>;
}

/** Starts a folder's event file anew with these rows: a resumed run's steps then come once. Older event files of the folder are removed. */
export async function openEventFile(folder: string, rows: readonly MetricsRow[]): Promise<EventFile> {
  return writing(folder, async () => {
    await mkdir(folder, { recursive: true });
    const older = (await readdir(folder)).filter((name) => name.startsWith("events.out.tfevents."));
    const now = Date.now() / 1000;
    // TensorBoard takes the newest by name.
    const newest = Math.max(Math.floor(now), ...older.map((name) => Number(name.split(".")[3] ?? 0) + 1));
    const path = join(folder, `events.out.tfevents.${newest}.${hostname()}`);
    const file = await open(path, "a");
    const bytes = [tensorboardHeader(now), ...rows.map(tensorboardEvent)];
    await file.appendFile(Buffer.concat(bytes));
    for (const name of older) await rm(join(folder, name), { force: true });
    return {
      append: (row) => writing(path, async () => void (await file.appendFile(tensorboardEvent(row)))),
      close: () => file.close(),
    };
  });
}
