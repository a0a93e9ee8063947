namespace VlmSdk.Execution;

/// <summary>Functions the base library lacks, to double precision.</summary>
internal static class SpecialFunctions
{
    /// <summary>
    /// Error function. Below 3 in magnitude its Taylor-like series (e^(-x^2) times a series of positive terms, so
    /// nothing cancels), above by the continued fraction of the complement.
    /// </summary>
    internal static double Erf(double x)
    {
        double a = Math.Abs(x);
        if (double.IsNaN(x) || a == 0)
            return x;
        double result;
        if (a < 3)
        {
            double term = a, sum = a;
            for (int n = 1; term > sum * 1e-17; n++)
            {
                term *= 2 * a * a / (2 * n + 1);
                sum += term;
            }
            result = 2 / Math.Sqrt(Math.PI) * Math.Exp(-a * a) * sum;
        }
        else
        {
            double fraction = a;
            for (int n = 60; n >= 1; n--)
                fraction = a + n / 2.0 / fraction;
            result = 1 - Math.Exp(-a * a) / (Math.Sqrt(Math.PI) * fraction);
        }
        return Math.CopySign(result, x);
    }

    /// <summary>log(1 + x) without losing small x.</summary>
    internal static double Log1P(double x)
    {
        double u = 1 + x;
        return u == 1 ? x : Math.Log(u) * (x / (u - 1));
    }
}
