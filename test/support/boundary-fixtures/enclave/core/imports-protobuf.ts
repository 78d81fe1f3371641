export { BinaryReader } from '@bufbuild/protobuf/wire';
