import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** The commit that a folder's working copy is at, with `-dirty` where files differ from it; undefined where git knows nothing of it. */
export async function gitCommit(folder: string): Promise<string | undefined> {
  try {
    const args = ["-C", folder, "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"];
    return (await promisify(execFile)("git", args)).stdout.trim() || undefined;
  } catch {
    return undefined; // no git, or no repository
  }
}
