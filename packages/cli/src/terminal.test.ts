import { expect, it, vi } from "vitest";
import { kdHere } from "../test/kd.ts";
import { harmless, say } from "./terminal.ts";

it("writes control characters out, but lines, tabs and letters of any language are as they were", () => {
  expect(harmless("a\u001b]0;title\u0007 b\u009b2J\r\tc\n\u00e9 \u732b \u{1f600} <b>")).toBe(
    "a\\u001b]0;title\\u0007 b\\u009b2J\\u000d\tc\n\u00e9 \u732b \u{1f600} <b>",
  );
});

it("lets colours through to stdout, and nothing else that moves a terminal", () => {
  const write = vi.spyOn(process.stdout, "write").mockImplementation(() => true);
  say(`\u001b[32mgreen\u001b[39m \u001b[2J ${JSON.stringify("\u009b2J")}`);
  const [[written]] = write.mock.calls as [[string]];
  write.mockRestore();
  expect(written).toBe('\u001b[32mgreen\u001b[39m \\u001b[2J "\\u009b2J"\n');
});

it("names a file whose name would clear the screen", async () => {
  const { code, err } = await kdHere(["data", "inspect", "none\u001b[2J.json"]);
  expect(code).toBe(1);
  expect(err).toContain("none\\u001b[2J.json: expected a file or folder that can be read");
  expect(err).not.toContain("\u001b");
});
