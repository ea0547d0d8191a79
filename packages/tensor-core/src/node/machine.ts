import { existsSync } from "node:fs";
import { totalmem } from "node:os";
import process from "node:process";
import type { Machine } from "../backend/machine.ts";
import { requireFor } from "./optional.ts";
import { defaultThreads } from "./start-pool.ts";

/** Memory of this process and of the machine, or of the container it runs in, in bytes. */
export function processMemory(): { resident: number; limit: number } | undefined {
  // 0 or more than the machine has where nothing constrains the process
  const limit = Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem());
  return { resident: process.memoryUsage.rss(), limit };
}

const NVIDIA: Readonly<Record<string, string>> = {
  linux: "/proc/driver/nvidia/version",
  win32: "C:\\Windows\\System32\\nvcuda.dll",
};

/** What can be seen of this machine without loading anything. */
export function lookAtMachine(): Machine {
  const { platform } = process;
  return {
    platform,
    threads: defaultThreads(),
    gpu: existsSync(NVIDIA[platform] ?? ""),
    koffi: requireFor("koffi") !== undefined,
    apt: existsSync("/usr/bin/apt-get"),
  };
}
