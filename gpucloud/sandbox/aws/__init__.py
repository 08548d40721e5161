"""EC2, SSM, Service Quotas, Pricing and STS for the real SDKs: moto, with what it lacks added."""
