export { batches, type Cursor, shuffledIndices } from "./batches.ts";
export {
  type ChatMessage,
  type ChatTemplate,
  type ChatTemplateOptions,
  type ContentPart,
  createChatTemplate,
} from "./chat-template.ts";
export { collate } from "./collate.ts";
export { type Conversation, parseConversation, parseConversations } from "./conversation.ts";
export { type EncodeOptions, encodeConversation, type Sample } from "./encode.ts";
export type { RgbImage } from "./image.ts";
export { type ImageProcessor, type ImageProcessorOptions, imageProcessor } from "./image-processor.ts";
export type { AspectRatio } from "./processor-config.ts";
export { resize } from "./resize.ts";
export { padSquare, siglipPixels } from "./siglip.ts";
export { stopAt, textBefore } from "./stop-strings.ts";
export { stopTokenIds } from "./stop-tokens.ts";
export { type Template, type TemplateName, templates } from "./template.ts";
export { type StreamText, streamText } from "./text-stream.ts";
export { createTokenizer, type PretrainedTokenizer, type TextTokenizer } from "./tokenizer.ts";
export type { EncodeParts } from "./tokenizer-parts.ts";
export { checkVocabulary } from "./vocabulary.ts";
