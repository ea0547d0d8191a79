import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { runReadme } from "../../../scripts/run-readme.ts";
import { makeFolders } from "../test/folders.ts";
import { ENVIRONMENT } from "../test/kd.ts";
import * as cli from "./index.ts";

it("the README's example runs", async () => {
  const home = await mkdtemp(join(tmpdir(), "kd-cli-"));
  const stdout = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    for (const [name, value] of Object.entries(ENVIRONMENT)) vi.stubEnv(name, value);
    await makeFolders(home);
    const runCli = (args: readonly string[]) =>
      cli.runCli(args.map((arg) => arg.replace("path/to/llava-folder", join(home, "student"))));
    expect(await runReadme(join(import.meta.dirname, ".."), { "@kd/cli": { runCli } })).toEqual([0]);
    const said = stdout.mock.calls.map(([text]) => String(text)).find((text) => text.startsWith("{"));
    expect(JSON.parse(said ?? "{}").prompt_ids).toEqual([2, 3, 4]);
  } finally {
    stdout.mockRestore();
    vi.unstubAllEnvs();
    await rm(home, { recursive: true });
  }
});
