export { batches, type Cursor, shuffledIndices } from "./batches.ts";
export { collate } from "./collate.ts";
export { type Conversation, parseConversation, parseConversations } from "./conversation.ts";
export { encodeConversation, type Sample } from "./encode.ts";
export type { RgbImage } from "./image.ts";
export { resize } from "./resize.ts";
export { padSquare, siglipPixels } from "./siglip.ts";
export { type Template, templates } from "./template.ts";
export { createTokenizer, type TextTokenizer } from "./tokenizer.ts";
