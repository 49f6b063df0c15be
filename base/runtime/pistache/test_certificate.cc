#include "base/runtime/pistache/test_certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <memory>

#include "base/assert.h"

namespace hydra {

TlsConfig make_test_certificate(const std::string& directory, const std::string& name) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  HYDRA_ASSERT(key != nullptr && certificate != nullptr);
  X509* const x509 = certificate.get();
  X509_set_version(x509, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
  X509_set_pubkey(x509, key.get());
  X509_NAME* const subject = X509_get_subject_name(x509);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(x509, subject);
  HYDRA_ASSERT(X509_sign(x509, key.get(), EVP_sha256()) != 0);

  const TlsConfig paths{directory + "/" + name + ".crt", directory + "/" + name + ".key"};
  const auto write = [](const std::string& path, auto put) {
    std::FILE* const file = std::fopen(path.c_str(), "w");
    HYDRA_ASSERT(file != nullptr && put(file) == 1);
    std::fclose(file);
  };
  write(paths.certificate_path, [&](std::FILE* file) { return PEM_write_X509(file, x509); });
  write(paths.key_path, [&](std::FILE* file) {
    return PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  return paths;
}

}  // namespace hydra
