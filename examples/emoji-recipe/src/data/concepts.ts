import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { z } from "zod";
import { iconFinder, plainHex } from "./icons.ts";
import { TEST_VENDORS, TRAIN_VENDORS } from "./vendors.ts";

/** One emoji idea with its names and the icon each vendor drew for it. `hex` has no FE0F. */
export interface Concept {
  hex: string;
  label: string;
  tags: string[];
  group: string;
  subgroup: string;
  split: "train" | "val" | "test";
  family: string;
  icons: Record<string, string>;
}

const require = createRequire(import.meta.url);
const splitSchema = z.record(z.string(), z.object({ split: z.enum(["train", "val", "test"]), family: z.string() }));
const emojiSchema = z.array(
  z.object({
    hexcode: z.string(),
    label: z.string(),
    tags: z.array(z.string()).default([]),
    group: z.number().optional(),
    subgroup: z.number().optional(),
  }),
);
const names = z.record(z.string(), z.string());
const groupsSchema = z.object({ groups: names, subgroups: names });
const CORE_GROUPS = new Set(["animals-nature", "food-drink", "travel-places", "activities", "objects"]);

/** Every concept of the fixed split, in the order of emojibase. */
export function concepts(): Concept[] {
  const path = new URL("../../assets/emoji-split.json", import.meta.url);
  const split = splitSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  const meta = groupsSchema.parse(require("emojibase-data/meta/groups.json"));
  const finders = [...TRAIN_VENDORS, ...TEST_VENDORS].map((vendor) => ({ vendor, find: iconFinder(vendor) }));
  return emojiSchema.parse(require("emojibase-data/en/data.json")).flatMap((emoji) => {
    const hex = plainHex(emoji.hexcode);
    const place = split[hex];
    if (!place) return [];
    const icons: Record<string, string> = {};
    for (const { vendor, find } of finders) {
      const icon = find(hex, emoji.label);
      if (icon) icons[vendor] = icon;
    }
    const group = meta.groups[String(emoji.group)] ?? "";
    const subgroup = meta.subgroups[String(emoji.subgroup)] ?? "";
    return [{ hex, label: emoji.label, tags: emoji.tags, group, subgroup, ...place, icons }];
  });
}

/** Whether a concept is in the core pool: things, not faces, clock faces or signs, with a label of at most two words. */
export function isCore({ group, subgroup, label }: Concept): boolean {
  const isSign = /button|symbol/.test(label);
  return CORE_GROUPS.has(group) && subgroup !== "time" && !isSign && label.split(/[ -]/).length <= 2;
}
