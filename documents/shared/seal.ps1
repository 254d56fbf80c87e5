# The public key as the worker reads it, and the sealed one-time password, which only native memory ever has in the clear.
# C# 5 is what the compiler of the .NET Framework on Windows Server understands.

if (-not ('AdjoinSeal' -as [type])) {
  Add-Type -TypeDefinition @'
using System;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

public static class AdjoinSeal
{
  // DER of a SubjectPublicKeyInfo, in base64: no .NET Framework can write one.
  public static string PublicKey(RSA key)
  {
    RSAParameters numbers = key.ExportParameters(false);
    byte[] both = Join(Integer(numbers.Modulus), Integer(numbers.Exponent));
    byte[] bits = Join(new byte[] { 0 }, Element(0x30, both));
    byte[] algorithm = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };
    return Convert.ToBase64String(Element(0x30, Join(algorithm, Element(0x03, bits))));
  }

  // Gives the address of the password to what uses it, and overwrites it afterwards. -1: it was not sealed to this key.
  public static int Open(RSA key, string text, Func<IntPtr, int> use)
  {
    byte[] letters;
    try { letters = key.Decrypt(Convert.FromBase64String(text), RSAEncryptionPadding.OaepSHA256); }
    catch (FormatException) { return -1; }
    catch (CryptographicException) { return -1; }
    IntPtr password = Marshal.AllocHGlobal(2 * letters.Length + 2);
    try
    {
      bool plain = letters.Length > 0;
      for (int at = 0; at < letters.Length; at++)
      {
        byte letter = letters[at];
        plain = plain && (letter >= 48 && letter <= 57 || letter >= 65 && letter <= 90 || letter >= 97 && letter <= 122);
        Marshal.WriteInt16(password, 2 * at, letter);
      }
      Marshal.WriteInt16(password, 2 * letters.Length, 0);
      return plain ? use(password) : -1;
    }
    finally
    {
      for (int at = 0; at <= letters.Length; at++) Marshal.WriteInt16(password, 2 * at, 0);
      Marshal.FreeHGlobal(password);
      Array.Clear(letters, 0, letters.Length);
    }
  }

  static byte[] Join(byte[] first, byte[] second)
  {
    byte[] both = new byte[first.Length + second.Length];
    first.CopyTo(both, 0);
    second.CopyTo(both, first.Length);
    return both;
  }

  // A number whose first bit is set would be a negative one.
  static byte[] Integer(byte[] number)
  {
    return Element(0x02, number[0] >= 0x80 ? Join(new byte[] { 0 }, number) : number);
  }

  static byte[] Element(byte tag, byte[] value)
  {
    int size = value.Length;
    byte[] head = size < 0x80 ? new byte[] { tag, (byte)size }
      : size < 0x100 ? new byte[] { tag, 0x81, (byte)size }
      : new byte[] { tag, 0x82, (byte)(size >> 8), (byte)size };
    return Join(head, value);
  }
}
'@
}
