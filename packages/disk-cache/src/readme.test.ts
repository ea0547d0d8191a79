import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runReadme } from "../../../scripts/run-readme.ts";
import * as root from "./index.ts";
import * as node from "./node/index.ts";

it("the README's example runs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kd-disk-cache-"));
  const modules = { "@kd/disk-cache": root, "@kd/disk-cache/node": node };
  const given = { folder, picture: Uint8Array.of(1, 2, 3) };
  try {
    for (let run = 0; run < 2; run++)
      expect(await runReadme(join(import.meta.dirname, ".."), modules, given)).toEqual([
        Float32Array.of(1, 2, 3, 4),
        { entries: 1, bytes: 28 },
      ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
