import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const rounded = (kibibytes: number): number => Math.round((kibibytes / 1024) * 10) / 10;

function linuxField(field: string): number | undefined {
  try {
    const line = readFileSync("/proc/self/status", "utf8").match(new RegExp(`^${field}:\\s+(\\d+) kB`, "m"));
    return line?.[1] === undefined ? undefined : Number(line[1]);
  } catch {
    return undefined; // not Linux
  }
}

/** Most memory that this process has had resident, MiB. */
export function peakMib(): number {
  return rounded(linuxField("VmHWM") ?? process.resourceUsage().maxRSS);
}

/** Resident now, MiB. */
export function residentMib(): number {
  return rounded(linuxField("VmRSS") ?? process.memoryUsage.rss() / 1024);
}

/** Starts the peak again from what is resident now; false where the system cannot (anywhere but Linux). */
export function forgetPeak(): boolean {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
    return true;
  } catch {
    return false;
  }
}

/** Frees JavaScript's garbage now, so that it does not count as the work's. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}
