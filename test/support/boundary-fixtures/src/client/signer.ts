export const signer = 'src/client/signer';
