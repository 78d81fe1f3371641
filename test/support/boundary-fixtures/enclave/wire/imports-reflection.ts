export { create } from '@bufbuild/protobuf';
