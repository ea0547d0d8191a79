import type { Concept } from "./concepts.ts";

const GROUPS: Readonly<Record<string, string>> = {
  "animals-nature": "animals and nature",
  "food-drink": "food and drink",
  "travel-places": "travel and places",
  activities: "activities",
  objects: "objects",
};

// Subgroups without a plain noun of their own (place-other, event, sound, …) are not asked about.
const KINDS: Readonly<Record<string, string>> = {
  "animal-mammal": "mammal",
  "animal-bird": "bird",
  "animal-reptile": "reptile",
  "animal-marine": "sea animal",
  "animal-bug": "bug",
  "plant-flower": "flower",
  "plant-other": "plant",
  "food-fruit": "fruit",
  "food-vegetable": "vegetable",
  "food-prepared": "prepared food",
  "food-asian": "asian food",
  "food-sweet": "sweet food",
  drink: "drink",
  dishware: "dishware",
  "place-building": "building",
  "place-religious": "building",
  "transport-ground": "land vehicle",
  "transport-water": "water vehicle",
  "transport-air": "air vehicle",
  "sky-weather": "sky or weather",
  sport: "sport",
  game: "game",
  clothing: "clothing",
  "musical-instrument": "musical instrument",
  "book-paper": "book or paper",
  money: "money",
  mail: "mail",
  tool: "tool",
  office: "office item",
  household: "household item",
  medical: "medical item",
  lock: "lock",
  phone: "phone",
  computer: "computer",
};

/** The plain name of a core concept's category, one of five. */
export function groupOf(concept: Concept): string {
  return GROUPS[concept.group] ?? concept.group;
}

/** The plain noun of a concept's subgroup, where it has one. */
export function kindOf(concept: Concept): string | undefined {
  return KINDS[concept.subgroup];
}
