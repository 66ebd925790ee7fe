# ruff: noqa: E501  # a table of cases has one a line
"""Tables as people export them, each with what a careful reader takes it for.

Nearly all were written down before the reader had met any of them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class T:
    """A time in UTC, by ISO 8601."""

    iso: str


Cell = float | str | bool | T | None


@dataclass(frozen=True)
class Export:
    """A file, and what it means.

    Attributes:
        text: its content; bytes as they are, a text in `encoding` and with `newline` at the end of lines.
        read: the cells of its columns; None for missing ones. "*0" is the first column, whatever it is called.
        refused: a part of the message if it shall be refused instead.
        said: what a note has to tell of it.
    """

    name: str
    text: str | bytes
    read: dict[str, list[Cell]] | None = None
    refused: str = ""
    said: str = ""
    encoding: str = "utf-8"
    newline: str = "\n"

    @property
    def content(self) -> bytes:
        return (
            self.text if isinstance(self.text, bytes) else self.text.replace("\n", self.newline).encode(self.encoding)
        )


EXPORTS: list[Export] = [
    Export("german excel", "Artikel;Größe;Preis;Datum;Lieferbar\nBürostuhl;120,5;1.234,56;31.12.2023;ja\nTisch;80;99,00;01.02.2024;nein\nRegal;200,25;12.345,00;15.03.2024;ja\nLampe;;7,5;04.05.2024;\n", {"Artikel": ["Bürostuhl", "Tisch", "Regal", "Lampe"], "Größe": [120.5, 80, 200.25, None], "Preis": [1234.56, 99, 12345, 7.5], "Datum": [T("2023-12-31"), T("2024-02-01"), T("2024-03-15"), T("2024-05-04")], "Lieferbar": ["ja", "nein", "ja", None]}, encoding="cp1252", newline="\r\n"),
    Export("german thousands only", "Monat;Stück;Umsatz\nJan;1.234;1.500,50\nFeb;12;99,90\nMär;2.500;10.000,00\n", {"Monat": ["Jan", "Feb", "Mär"], "Stück": [1234, 12, 2500], "Umsatz": [1500.5, 99.9, 10000]}),
    Export("french excel", "Produit;Prix;Date;Remise\nChaise;1\xa0234,56 €;25/12/2023;12,5 %\nTable;99,00 €;01/02/2024;5 %\nÉtagère;12\xa0345,00 €;05/03/2024;N/A\n", {"Produit": ["Chaise", "Table", "Étagère"], "Prix": [1234.56, 99, 12345], "Date": [T("2023-12-25"), T("2024-02-01"), T("2024-03-05")], "Remise": [12.5, 5, None]}, encoding="cp1252", newline="\r\n"),
    Export("french narrow blank", "ville;habitants;part\nParis;2\u202f102\u202f650;3,1\nLyon;522\u202f250;0,8\nNice;348\u202f085;0,5\n", {"ville": ["Paris", "Lyon", "Nice"], "habitants": [2102650, 522250, 348085], "part": [3.1, 0.8, 0.5]}),
    Export("plain blank thousands", "ort;einwohner\nWien;1 982 097\nGraz;302 749\nLech;1 562\n", {"ort": ["Wien", "Graz", "Lech"], "einwohner": [1982097, 302749, 1562]}),
    Export("swiss", "Konto;Saldo;Währung\n1020;1'234.50;CHF\n1100;-12'000.00;CHF\n2000;85.05;EUR\n", {"Konto": [1020, 1100, 2000], "Saldo": [1234.5, -12000, 85.05], "Währung": ["CHF", "CHF", "EUR"]}),
    Export("swiss typographic", "Posten;Betrag\nMiete;CHF 1’234.50\nStrom;CHF 85.00\nLohn;CHF 12’345.60\n", {"Posten": ["Miete", "Strom", "Lohn"], "Betrag": [1234.5, 85, 12345.6]}),
    Export("indian", 'Name,Salary,Joined,City\nAsha,"₹12,34,567.00",25-04-2023,Pune\nRavi,"₹9,50,000.00",05-06-2022,Delhi\nMeena,"₹85,000.50",13-11-2021,Chennai\n', {"Name": ["Asha", "Ravi", "Meena"], "Salary": [1234567, 950000, 85000.5], "Joined": [T("2023-04-25"), T("2022-06-05"), T("2021-11-13")], "City": ["Pune", "Delhi", "Chennai"]}),
    Export("indian plain lakhs", 'district,population\nA,"12,34,567"\nB,"1,05,000"\nC,"98,765"\n', {"district": ["A", "B", "C"], "population": [1234567, 105000, 98765]}),
    Export("us accounting", 'Date,Account,Amount,Margin\n12/31/2023,Sales,"$1,234.50",12.5%\n01/02/2024,Refund,($45.00),-3.0%\n02/15/2024,Fees,"($1,200.75)",0.5%\n', {"Date": [T("2023-12-31"), T("2024-01-02"), T("2024-02-15")], "Account": ["Sales", "Refund", "Fees"], "Amount": [1234.5, -45, -1200.75], "Margin": [12.5, -3, 0.5]}),
    Export("sap list", "--------------------------------------------\n|Kunde     |Buch.dat. |    Betrag |Währg|\n--------------------------------------------\n|0000100023|01.03.2024|  1.234,56 |EUR  |\n|0000100024|15.03.2024|    500,00-|EUR  |\n|0000100031|28.03.2024|     12,30 |USD  |\n--------------------------------------------\n", {"Kunde": ["0000100023", "0000100024", "0000100031"], "Buch.dat.": [T("2024-03-01"), T("2024-03-15"), T("2024-03-28")], "Betrag": [1234.56, -500, 12.3], "Währg": ["EUR", "EUR", "USD"]}),
    Export("sap trailing minus", "Beleg;Betrag\n0090001;1.234,56\n0090002;500,00-\n0090003;7,10-\n", {"Beleg": ["0090001", "0090002", "0090003"], "Betrag": [1234.56, -500, -7.1]}),
    Export("psql", " id |  name  |       created_at       \n----+--------+------------------------\n  1 | Ann    | 2024-01-05 10:00:00+01\n  2 | Bob    | 2024-01-06 23:30:00+01\n  7 | Carla  | \n(3 rows)\n\n", {"id": [1, 2, 7], "name": ["Ann", "Bob", "Carla"], "created_at": [T("2024-01-05T09:00:00"), T("2024-01-06T22:30:00"), None]}),
    Export("mysql tabs", "id\tname\tprice\tdeleted_at\n1\tbolt\t0.25\tNULL\n2\tnut\tNULL\t2024-02-03 04:05:06\n3\t\\N\t1.75\tNULL\n", {"id": [1, 2, 3], "name": ["bolt", "nut", None], "price": [0.25, None, 1.75], "deleted_at": [None, T("2024-02-03T04:05:06"), None]}),
    Export("device comments units", "# Logger XY-200\n# Serial: 00123\nTime;Temp;Pressure\ns;°C;hPa\n0.0;20.1;1013.2\n0.5;20.3;1013.1\n1.0;20.2;1012.9\n", {"Time": [0, 0.5, 1.0], "Temp": [20.1, 20.3, 20.2], "Pressure": [1013.2, 1013.1, 1012.9]}, encoding="latin-1"),
    Export("device key values", "Device,XY-200\nOperator,Müller\n\nSample,Absorbance,Wavelength [nm]\nA1,0.123,450\nA2,0.456,450\nA3,OVRFLW,450\n", {"Sample": ["A1", "A2", "A3"], "Absorbance": ["0.123", "0.456", "OVRFLW"], "Wavelength [nm]": [450, 450, 450]}, said='"OVRFLW" in'),
    Export("title above", "Umsatzbericht 2023;;;\nErstellt am 02.01.2024;;;\n;;;\nRegion;Q1;Q2;Leiter\nNord;10,5;11,0;Ott\nSüd;9,25;8,75;Rau\n;;;\n", {"Region": ["Nord", "Süd"], "Q1": [10.5, 9.25], "Q2": [11, 8.75], "Leiter": ["Ott", "Rau"]}),
    Export("excel sep line", "sep=;\r\na;b\r\n1;x\r\n2;y\r\n", {"a": [1, 2], "b": ["x", "y"]}),
    Export("trailing everywhere", "a,b,c,\n1,2.5,x,\n2,3.5,y,\n3,4.5,z,\n", {"a": [1, 2, 3], "b": [2.5, 3.5, 4.5], "c": ["x", "y", "z"]}),
    Export("trailing in rows only", "a,b,c\n1,2.5,x,\n2,3.5,y,\n3,4.5,z,\n", {"a": [1, 2, 3], "b": [2.5, 3.5, 4.5], "c": ["x", "y", "z"]}),
    Export("newlines and quotes", 'id,comment,score\n1,"first line\nsecond, line",2.5\n2,"he said ""no""",3.5\n3,"",4.5\n', {"id": [1, 2, 3], "comment": ["first line\nsecond, line", 'he said "no"', None], "score": [2.5, 3.5, 4.5]}),
    Export("bom quoted header", '"Name","Größe"\r\n"Ann","1.5"\r\n"Bob","2.5"\r\n', {"Name": ["Ann", "Bob"], "Größe": [1.5, 2.5]}, encoding="utf-8-sig"),
    Export("utf16 excel", "Name\tPreis\tOrt\nÄnne\t1,5\tKöln\nBob\t2,75\tBonn\n", {"Name": ["Änne", "Bob"], "Preis": [1.5, 2.75], "Ort": ["Köln", "Bonn"]}, encoding="utf-16", newline="\r\n"),
    Export("utf16 no bom", "name,price\nann,1.5\nbob,2.5\n", {"name": ["ann", "bob"], "price": [1.5, 2.5]}, encoding="utf-16-le"),
    Export("latin1", "nom,âge\nHélène,31\nFrançois,28\nNoël,45\n", {"nom": ["Hélène", "François", "Noël"], "âge": [31, 28, 45]}, encoding="latin-1"),
    Export("gaps of all sorts", "a,b,c\n1.5,NA,x\nn.a.,2.5,-\n-,?,y\nnull,3.5,N/A\n ,NULL,z\n2.5,None,\n3.5,#N/A,nan\n", {"a": [1.5, None, None, None, None, 2.5, 3.5], "b": [None, 2.5, None, 3.5, None, None, None], "c": ["x", "-", "y", None, "z", None, None]}),
    Export("excel errors", "k;ratio;sum\na;0,5;#DIV/0!\nb;#WERT!;3\nc;1,5;4\nd;#NAME?;#REF!\n", {"k": ["a", "b", "c", "d"], "ratio": [0.5, None, 1.5, None], "sum": [None, 3, 4, None]}),
    Export("french gap word", "site;débit\nA;1,5\nB;n.d.\nC;2,5\n", {"site": ["A", "B", "C"], "débit": [1.5, None, 2.5]}),
    Export("dates mixed", "when,v\n31/12/2023,1.5\n2024-01-05T10:00:00Z,2.5\n15/02/2024,3.5\n", {"when": ["31/12/2023", "2024-01-05T10:00:00Z", "15/02/2024"], "v": [1.5, 2.5, 3.5]}, said="no times written as day/month/year"),
    Export("dates contradict", "when,v\n31/12/2023,1.5\n12/31/2023,2.5\n15/02/2024,3.5\n", {"when": ["31/12/2023", "12/31/2023", "15/02/2024"], "v": [1.5, 2.5, 3.5]}, said="no times written as day/month/year"),
    Export("dates ambiguous", "when,v\n01/02/2024,1.5\n03/04/2024,2.5\n05/06/2024,3.5\n", {"when": [T("2024-01-02"), T("2024-03-04"), T("2024-05-06")], "v": [1.5, 2.5, 3.5]}, said="no cell tells which number is the day"),
    Export("times with zones", "t,v\n2024-03-31T01:30:00+01:00,1.5\n2024-03-31T01:30:00Z,2.5\n2024-03-31T03:30:00+0200,3.5\n", {"t": [T("2024-03-31T00:30:00"), T("2024-03-31T01:30:00"), T("2024-03-31T01:30:00")], "v": [1.5, 2.5, 3.5]}),
    Export("am pm", "t,v\n12/31/2023 02:05 PM,1.5\n01/15/2024 12:10 AM,2.5\n02/20/2024 12:10 PM,3.5\n", {"t": [T("2023-12-31T14:05:00"), T("2024-01-15T00:10:00"), T("2024-02-20T12:10:00")], "v": [1.5, 2.5, 3.5]}),
    Export("german times", "Zeit;Wert\n31.12.23 14:05:30,250;1,5\n01.01.24 00:00:00,500;2,5\n", {"Zeit": [T("2023-12-31T14:05:30.250"), T("2024-01-01T00:00:00.500")], "Wert": [1.5, 2.5]}),
    Export("month names", "day,v\n05-Jan-2024,1.5\n17-Mar-2024,2.5\n31-Dec-2023,3.5\n", {"day": [T("2024-01-05"), T("2024-03-17"), T("2023-12-31")], "v": [1.5, 2.5, 3.5]}),
    Export("duplicate headers", "x,x,y\n1.5,2.5,a\n3.5,4.5,b\n", refused="x"),
    Export("r row names", ',mpg,cyl\n"Mazda RX4",21.0,6\n"Datsun 710",22.8,4\n', {"*0": ["Mazda RX4", "Datsun 710"], "mpg": [21, 22.8], "cyl": [6, 4]}),
    Export("empty middle header", "a,,b\n1.5,u,2.5\n3.5,v,4.5\n", {"a": [1.5, 3.5], "*1": ["u", "v"], "b": [2.5, 4.5]}),
    Export("r write table", '"mpg" "cyl"\n"Mazda" 21.0 6\n"Datsun" 22.8 4\n"Fiat" 32.4 4\n', {"*0": ["Mazda", "Datsun", "Fiat"], "mpg": [21, 22.8, 32.4], "cyl": [6, 4, 4]}),
    Export("no header numbers", "5.1,3.5,1.4,setosa\n4.9,3.0,1.4,setosa\n6.3,3.3,6.0,virginica\n", {"*0": [5.1, 4.9, 6.3], "*1": [3.5, 3, 3.3], "*2": [1.4, 1.4, 6], "*3": ["setosa", "setosa", "virginica"]}),
    Export("header only", "a,b,c\n", {"a": [], "b": [], "c": []}),
    Export("empty file", "", refused="expected a header line"),
    Export("blank lines only", "\n\n  \n", refused="expected a header line"),
    Export("one row", "name;age\nAnn;31\n", {"name": ["Ann"], "age": [31]}),
    Export("one column", "price\n1.5\n2.5\n\n3.5\n", {"price": [1.5, 2.5, 3.5]}),
    Export("row too short", "a,b,c\n1,2,3\n4,5\n6,7,8\n", refused="line 3"),
    Export("row too long", "a,b,c\n1,2,3\n4,5,6,7\n8,9,10\n", refused="line 3"),
    Export("decimal comma in commas", "a,b\n1,5,2,5\n3,5,4,5\n", refused="line 2"),
    Export("unquoted comma in text", "id,addr,v\n1,Main St,2.5\n2,Elm St, Apt 4,3.5\n3,Oak,4.5\n", refused="line 3"),
    Export("unclosed quote", 'a,b\n1,"x\n2,y\n3,z\n', refused="line 2"),
    Export("stray quote inches", 'item,size,v\nscreen,15" wide,1.5\ntv,42",2.5\nphone,6.1",3.5\n', {"item": ["screen", "tv", "phone"], "size": ['15" wide', '42"', '6.1"'], "v": [1.5, 2.5, 3.5]}),
    Export("quote then text", 'a,b\n1,"x" y\n2,z\n', {"a": [1, 2], "b": ['"x" y', "z"]}),
    Export("backslash quotes", 'id,said,v\n1,"he said \\"hi, you\\"",1.5\n2,"no",2.5\n', {"id": [1, 2], "said": ['he said "hi, you"', "no"], "v": [1.5, 2.5]}),
    Export("pipes", "sku|qty|price\n007|1|1.5\n012|2|2.5\n100|3|3.5\n", {"sku": ["007", "012", "100"], "qty": [1, 2, 3], "price": [1.5, 2.5, 3.5]}),
    Export("cr only", "a,b\n1,x\n2,y\n", {"a": [1, 2], "b": ["x", "y"]}, newline="\r"),
    Export("mixed ends", b"a,b\r\n1,x\n2,y\r\n3,z\r4,w\n", {"a": [1, 2, 3, 4], "b": ["x", "y", "z", "w"]}),
    Export("no last newline", "a,b\n1,x\n2,y", {"a": [1, 2], "b": ["x", "y"]}),
    Export("booleans", "id,ok,act,win\n1,yes,TRUE,Y\n2,no,FALSE,N\n3,YES,TRUE,\n4,No,FALSE,N\n", {"id": [1, 2, 3, 4], "ok": [True, False, True, False], "act": [True, False, True, False], "win": [True, False, None, False]}),
    Export("leading zeros", "plz,ort,v\n01067,Dresden,1.5\n80331,München,2.5\n04109,Leipzig,3.5\n", {"plz": ["01067", "80331", "04109"], "ort": ["Dresden", "München", "Leipzig"], "v": [1.5, 2.5, 3.5]}),
    Export("long ids", "id,v\n9007199254740993,1.5\n9007199254740992,2.5\n12345678901234567890123,3.5\n", {"id": ["9007199254740993", "9007199254740992", "12345678901234567890123"], "v": [1.5, 2.5, 3.5]}),
    Export("long ids int64", "id,v\n9007199254740993,1.5\n9007199254740992,2.5\n", {"id": [9007199254740993, 9007199254740992], "v": [1.5, 2.5]}),
    Export("scientific", "a,b\n1e-5,inf\n2.5E+03,-inf\n-1.0e10,1.5\n3,NaN\n", {"a": [1e-5, 2500, -1e10, 3], "b": [float("inf"), float("-inf"), 1.5, None]}),
    Export("german scientific", "a;b\n1,5E-03;x\n2,5E+03;y\n", {"a": [0.0015, 2500], "b": ["x", "y"]}),
    Export("codes like exponents", "code,v\n1E5,1.5\n2E7,2.5\n3F9,3.5\n", {"code": ["1E5", "2E7", "3F9"], "v": [1.5, 2.5, 3.5]}),
    Export("late word", "a,b\n" + "".join(f"{i},{i}.5\n" for i in range(5000)) + "7,abc\n", refused="line 5002"),
    Export("unicode minus", "k;v\na;−5,3\nb;2,5\nc;–\n", {"k": ["a", "b", "c"], "v": [-5.3, 2.5, None]}),
    Export("plus signs", "k,v\na,+5.3\nb,-2.5\nc,+0.1\n", {"k": ["a", "b", "c"], "v": [5.3, -2.5, 0.1]}),
    Export("dot numbers", "k,v\na,.5\nb,-.25\nc,3.\n", {"k": ["a", "b", "c"], "v": [0.5, -0.25, 3]}),
    Export("totals row", "Datum;Menge\n01.02.2024;10,5\n15.02.2024;20,5\nSumme;31,0\n", {"Datum": ["01.02.2024", "15.02.2024", "Summe"], "Menge": [10.5, 20.5, 31.0]}, said='"Summe" in'),
    Export("blank lines", "\n\na;b\n\n1;x\n;\n2;y\n\n\n", {"a": [1, 2], "b": ["x", "y"]}),
    Export("padded", " a , b , c \n 1.5 , x , yes \n 2.5 , y , no \n", {"a": [1.5, 2.5], "b": ["x", "y"], "c": [True, False]}),
    Export("padded quotes", 'a, "b", c\n1, "x, y", 2.5\n2, "z", 3.5\n', {"a": [1, 2], "b": ["x, y", "z"], "c": [2.5, 3.5]}),
    Export("hash in data", "dish,v\n#1 Pizza,1.5\n#2 Pasta,2.5\nSoup,3.5\n", {"dish": ["#1 Pizza", "#2 Pasta", "Soup"], "v": [1.5, 2.5, 3.5]}),
    Export("hash header", "#chrom\tpos\tref\nchr1\t100\tA\nchr2\t250\tG\n", {"*0": ["chr1", "chr2"], "pos": [100, 250], "ref": ["A", "G"]}),
    Export("quoted zero codes", '"code","n"\n"001","1,234"\n"010","12"\n', {"code": ["001", "010"], "n": [1234, 12]}),
    Export("semicolon in text of commas", "name,notes,v\nAnn,a; b; c,1.5\nBob,d; e; f,2.5\nCy,g; h; i,3.5\n", {"name": ["Ann", "Bob", "Cy"], "notes": ["a; b; c", "d; e; f", "g; h; i"], "v": [1.5, 2.5, 3.5]}),
    Export("fixed width", "name      age   height\nAnn        31     1.70\nBob         8     1.20\nCy         45     1.85\n", {"name": ["Ann", "Bob", "Cy"], "age": [31, 8, 45], "height": [1.7, 1.2, 1.85]}),
    Export("xlsx named csv", b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00" + bytes(range(256)) * 4, refused="save it as CSV"),
    Export("html named csv", "<html><body><table><tr><td>a</td><td>b</td></tr>\n<tr><td>1</td><td>2</td></tr></table></body></html>\n", refused="save it as CSV"),
    Export("nul bytes", b"a,b\n1,x\x00\n2,y\n", refused="line 2"),
    Export("one bad byte", "name,v\nJürgen,1.5\nAnn,2.5\n".encode() + b"M\xfcller,3.5\n", refused="line 4"),
    Export("cp1252 euro", "k;v\na;€ 5,30\nb;€ 2,50\n", {"k": ["a", "b"], "v": [5.3, 2.5]}, encoding="cp1252"),
    Export("mixed currencies", "k;v\na;5,30 €\nb;2,50 $\n", refused="line 3"),
    Export("mixed decimals", "k;v\na;1.234,50\nb;2,345.75\nc;3,5\n", {"k": ["a", "b", "c"], "v": ["1.234,50", "2,345.75", "3,5"]}, said='"2,345.75" in'),
    Export("units in cells", "k,v\na,12 kg\nb,7 kg\nc,450 g\n", {"k": ["a", "b", "c"], "v": ["12 kg", "7 kg", "450 g"]}),
    Export("clock times", "k,t\na,14:05\nb,09:30\nc,00:15\n", {"k": ["a", "b", "c"], "t": ["14:05", "09:30", "00:15"]}),
    Export("versions", "k,v\na,1.2.3\nb,1.10.0\nc,2.0.1\n", {"k": ["a", "b", "c"], "v": ["1.2.3", "1.10.0", "2.0.1"]}),
    Export("ips", "ip,v\n10.0.0.1,1.5\n192.168.1.7,2.5\n", {"ip": ["10.0.0.1", "192.168.1.7"], "v": [1.5, 2.5]}),
    Export("phones", "phone,v\n+49 170 1234567,1.5\n030 123456,2.5\n", {"phone": ["+49 170 1234567", "030 123456"], "v": [1.5, 2.5]}),
    Export("years", "year,v\n2019,1.5\n2020,2.5\n2021,3.5\n", {"year": [2019, 2020, 2021], "v": [1.5, 2.5, 3.5]}),
    Export("kaggle semicolon quotes", '"fixed acidity";"quality"\n7.4;5\n7.8;5\n11.2;6\n', {"fixed acidity": [7.4, 7.8, 11.2], "quality": [5, 5, 6]}),
    Export("cyrillic", "город;цена\nМосква;1,5\nТверь;2,5\n", {"город": ["Москва", "Тверь"], "цена": [1.5, 2.5]}, encoding="cp1251"),
    Export("chinese", "城市,价格\n北京,1.5\n联通,2.5\n上海,3.5\n", {"城市": ["北京", "联通", "上海"], "价格": [1.5, 2.5, 3.5]}, encoding="gbk"),
    Export("mysql box", "+----+-------+\n| id | name  |\n+----+-------+\n|  1 | Ann   |\n|  2 | NULL  |\n+----+-------+\n", {"id": [1, 2], "name": ["Ann", None]}, said="lines of dashes are left out"),
    Export("markdown", "| a | b |\n|---|:-:|\n| 1 | x |\n| 2 | y |\n", {"a": [1, 2], "b": ["x", "y"]}),
    Export("dashes in a cell", "a|b\n1|---\n2|x\n", {"a": [1, 2], "b": ["---", "x"]}),
    Export("one column with separators behind", "price\n1,\n2,\n3,\n", {"price": [1, 2, 3]}),
    Export("numpy savetxt", "   1.0   2.0\n   3.5   4.0\n   5.5   6.0\n", {"*0": [1, 3.5, 5.5], "*1": [2, 4, 6]}),
    Export("sentences with two blanks", "review\nGood.  Fast.\nBad.  Slow.\nMeh.  Late.\n", {"review": ["Good.  Fast.", "Bad.  Slow.", "Meh.  Late."]}),
    Export("json in cells", 'id,meta\n1,"{""a"": 1, ""b"": 2}"\n2,"{""a"": 3, ""b"": ""x, y""}"\n', {"id": [1, 2], "meta": ['{"a": 1, "b": 2}', '{"a": 3, "b": "x, y"}']}),
]  # fmt: skip
