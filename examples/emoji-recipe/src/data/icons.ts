import { createRequire } from "node:module";
import { z } from "zod";

const require = createRequire(import.meta.url);
const text = z.record(z.string(), z.string());
const iconsSchema = z.object({
  icons: z.record(z.string(), z.unknown()),
  aliases: z.record(z.string(), z.looseObject({ parent: z.string() })).default({}),
});
const WITH_CODE_POINTS = new Set(["noto", "twemoji", "fluent-emoji-flat"]);

/**
 * Finds a vendor's icon name for a code point (hex, no FE0F): by its table of code points where it has one, else by the
 * CLDR label, else by the Unicode name or label without separators.
 */
export function iconFinder(vendor: string): (hex: string, label: string) => string | undefined {
  const set = iconsSchema.parse(require(`@iconify-json/${vendor}/icons.json`));
  const named = new Map(Object.keys(set.icons).map((name) => [name, name]));
  for (const [alias, { parent, ...transform }] of Object.entries(set.aliases))
    if (Object.keys(transform).length === 0) named.set(alias, parent); // a mirrored alias is another picture
  if (WITH_CODE_POINTS.has(vendor)) {
    const byCode = new Map<string, string | undefined>();
    for (const [hex, name] of Object.entries(text.parse(require(`@iconify-json/${vendor}/chars.json`))))
      byCode.set(plainHex(hex), named.get(name));
    return (hex, label) => byCode.get(hex) ?? named.get(slug(label));
  }
  const squeezed = new Map([...named].map(([name, icon]) => [name.replaceAll("-", ""), icon]));
  const unicode = unicodeNames();
  return (hex, label) =>
    named.get(slug(label)) ?? squeezed.get(squeeze(unicode.get(hex) ?? label)) ?? squeezed.get(squeeze(label));
}

function unicodeNames(): Map<string, string> {
  const names = text.parse(require("emojibase-data/meta/unicode-names.json"));
  return new Map(Object.entries(names).map(([hex, name]) => [plainHex(hex), name]));
}

/** A code point sequence in upper case without the variation selector FE0F, as the split's keys are. */
export function plainHex(hex: string): string {
  const points = hex.toUpperCase().split("-");
  return points.filter((point) => point !== "FE0F").join("-");
}

function slug(label: string): string {
  const letters = label.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");
  return letters
    .replace(/[^a-z0-9]+/g, " ")
    .trim()
    .replaceAll(" ", "-");
}

function squeeze(label: string): string {
  return slug(label).replaceAll("-", "");
}
