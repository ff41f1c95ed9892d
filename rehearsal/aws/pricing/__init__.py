"""AWS Price List Service: dated us-east-1 list prices in the real PriceList shape."""
