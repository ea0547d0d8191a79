import { expect, it } from "vitest";
import { kdHere } from "../test/kd.ts";
import { harmless } from "./terminal.ts";

it("writes control characters out, but lines, tabs and letters of any language are as they were", () => {
  expect(harmless("a\u001b]0;title\u0007 b\u009b2J\r\tc\n\u00e9 \u732b \u{1f600} <b>")).toBe(
    "a\\u001b]0;title\\u0007 b\\u009b2J\\u000d\tc\n\u00e9 \u732b \u{1f600} <b>",
  );
});

it("names a file whose name would clear the screen", async () => {
  const { code, err } = await kdHere(["data", "inspect", "none\u001b[2J.json"]);
  expect(code).toBe(1);
  expect(err).toContain("none\\u001b[2J.json: expected a file or folder that can be read");
  expect(err).not.toContain("\u001b");
});
