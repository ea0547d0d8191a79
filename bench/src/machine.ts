import { execFileSync } from "node:child_process";
import { availableParallelism, cpus } from "node:os";

/** What a row says of the machine and the moment. */
export function machine(): { date: string; machine: string; cores: string } {
  return {
    date: new Date().toISOString().slice(0, 16),
    machine: cpus()[0]?.model.trim() ?? "unknown",
    cores: String(availableParallelism()),
  };
}

/** The commit that is measured, `+` when files differ from it; empty outside a repository. */
export function commit(): string {
  const git = (...args: string[]) =>
    execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    return `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain", "--", "packages") === "" ? "" : "+"}`;
  } catch {
    return "";
  }
}
